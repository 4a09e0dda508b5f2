package compat

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
)

// echoService returns payloads. A request with FillUsername waits for its end.
type echoService struct {
	pb.UnimplementedBenchmarkServiceServer
	waiting, gone chan struct{}
}

func (s *echoService) UnaryCall(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	if r.FillUsername {
		s.waiting <- struct{}{}
		<-ctx.Done()
		s.gone <- struct{}{}
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	return &pb.SimpleResponse{Payload: r.Payload}, nil
}

func (s *echoService) StreamingCall(stream grpc.BidiStreamingServer[pb.SimpleRequest, pb.SimpleResponse]) error {
	for {
		r, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = stream.Send(&pb.SimpleResponse{Payload: r.Payload})
		}
		if err != nil {
			return err
		}
	}
}

func TestGRPC(t *testing.T) {
	each(t, func(t *testing.T, e ends) {
		ln := e.listen(t)
		service := &echoService{waiting: make(chan struct{}, 1), gone: make(chan struct{}, 1)}
		server := grpc.NewServer(grpc.MaxRecvMsgSize(2*large), grpc.MaxSendMsgSize(2*large))
		pb.RegisterBenchmarkServiceServer(server, service)
		served := make(chan error, 1)
		go func() { served <- server.Serve(ln) }()
		defer server.Stop()

		conn, err := grpc.NewClient("passthrough:///"+ln.Addr().String(),
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
				return e.dial(ctx, "tcp",
					addr)
			}),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(2*large), grpc.MaxCallSendMsgSize(2*large)))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		client := pb.NewBenchmarkServiceClient(conn)
		call := func(ctx context.Context, payload []byte) error {
			r, err := client.UnaryCall(ctx, &pb.SimpleRequest{Payload: &pb.Payload{Body: payload}})
			if err != nil {
				return err
			}
			return compare(r.GetPayload().GetBody(), payload)
		}

		together(t, 16, func(i int) error {
			for j, size := range sizes[:5] {
				if err := call(limited(t), pattern(size, i*10+j)); err != nil {
					return err
				}
			}
			return nil
		})
		together(t, 8, func(i int) error {
			stream, err := client.StreamingCall(limited(t))
			if err != nil {
				return err
			}
			for j := range 20 {
				want := pattern(sizes[j%5], i*100+j)
				if err := stream.Send(&pb.SimpleRequest{Payload: &pb.Payload{Body: want}}); err != nil {
					return err
				}
				r, err := stream.Recv()
				if err != nil {
					return err
				}
				if err := compare(r.GetPayload().GetBody(), want); err != nil {
					return err
				}
			}
			if err := stream.CloseSend(); err != nil {
				return err
			}
			if _, err := stream.Recv(); err != io.EOF {
				return err
			}
			return nil
		})
		if err := call(limited(t), pattern(large, 1)); err != nil {
			t.Errorf("a large message: %v", err)
		}

		hang := func(ctx context.Context, want codes.Code) {
			t.Helper()
			if _, err := client.UnaryCall(ctx, &pb.SimpleRequest{FillUsername: true}); status.Code(err) != want {
				t.Errorf("a call that hangs: %v, want %v", err, want)
			}
			<-service.gone // the server has heard of it
		}
		go func() { <-service.waiting }()
		hang(soon(t), codes.DeadlineExceeded)
		ctx, cancel := context.WithCancel(context.Background())
		go func() { <-service.waiting; cancel() }()
		hang(ctx, codes.Canceled)

		// A server that stops lets the stream under way end first.
		stream, err := client.StreamingCall(limited(t))
		if err != nil {
			t.Fatal(err)
		}
		turn := func() {
			t.Helper()
			if err := stream.Send(&pb.SimpleRequest{Payload: &pb.Payload{Body: []byte("x")}}); err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				t.Fatal(err)
			}
		}
		turn()
		stopped := make(chan struct{})
		go func() { server.GracefulStop(); close(stopped) }()
		eventually(t, "the listener is open still", func() bool {
			c, err := e.dial(limited(t), "tcp", ln.Addr().String())
			if err == nil {
				c.Close()
			}
			return errors.Is(err, syscall.ECONNREFUSED)
		})
		turn()
		select {
		case <-stopped:
			t.Error("the server has stopped, and a stream has not ended")
		default:
		}
		stream.CloseSend()
		if _, err := stream.Recv(); err != io.EOF {
			t.Errorf("the end of the stream: %v", err)
		}
		<-stopped
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if err := call(limited(t), nil); status.Code(err) != codes.Unavailable {
			t.Errorf("a call when the server has gone: %v", err)
		}
	})
}
