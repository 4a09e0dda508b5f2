package sched_test

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirgo/weir/sched"
)

type job struct {
	node     sched.Node[job]
	producer int
	seq      int
	want     atomic.Int64 // what producers ask for
	seen     int64        // what the consumer saw last
}

func newJob(producer, seq int) *job {
	j := &job{producer: producer, seq: seq}
	j.node.Value = j
	return j
}

// drain is the consumer idiom of Intake.Take. It returns how many nodes it handled.
func drain(q *sched.Intake[job], handle func(*job)) (handled int) {
	for n := q.Take(); n != nil; {
		next := n.Next()
		n.Release()
		handle(n.Value)
		n = next
		handled++
	}
	return handled
}

func TestIntakeOrder(t *testing.T) {
	var q sched.Intake[job]
	if !q.Empty() || q.Take() != nil {
		t.Fatal("the zero Intake is not empty")
	}
	for round := range 3 {
		for i := range 10 {
			first := q.Push(&newJob(0, i).node)
			if first != (i == 0) {
				t.Errorf("round %d: Push %d = %v", round, i, first)
			}
			if q.Empty() {
				t.Errorf("round %d: empty after Push %d", round, i)
			}
		}
		want := 0
		drain(&q, func(j *job) {
			if j.seq != want {
				t.Errorf("round %d: got %d, want %d", round, j.seq, want)
			}
			want++
		})
		if want != 10 || !q.Empty() {
			t.Errorf("round %d: took %d, Empty = %v", round, want, q.Empty())
		}
	}
}

func TestIntakePushQueued(t *testing.T) {
	var q sched.Intake[job]
	a, b := newJob(0, 0), newJob(0, 1)
	if !q.Push(&a.node) || q.Push(&b.node) || q.Push(&a.node) || q.Push(&b.node) {
		t.Error("only the first Push makes the intake non-empty")
	}
	var order []int
	if n := drain(&q, func(j *job) { order = append(order, j.seq) }); n != 2 || order[0] != 0 || order[1] != 1 {
		t.Errorf("took %v, want [0 1]", order)
	}

	// Taken, but not released: still queued. The consumer that releases it will see what was
	// written.
	q.Push(&a.node)
	n := q.Take()
	if q.Push(&a.node) || !q.Empty() {
		t.Error("a Push before Release queued the node a second time")
	}
	n.Next()
	n.Release()
	if !q.Push(&a.node) {
		t.Error("a Push after Release did not queue the node")
	}
	if n := q.Take(); n != &a.node || n.Next() != nil {
		t.Error("want the one node")
	}
}

// An update made while the consumer handles the node, at every point where it can happen.
func TestIntakeUpdateDuringHandle(t *testing.T) {
	for step := range 4 {
		var q sched.Intake[job]
		j := newJob(0, 0)
		update := func(at int) {
			if at == step {
				j.want.Add(1)
				q.Push(&j.node)
			}
		}
		j.want.Add(1)
		q.Push(&j.node)
		for n := q.Take(); n != nil; {
			update(0)
			next := n.Next()
			update(1)
			n.Release()
			update(2)
			j.seen = j.want.Load()
			update(3)
			n = next
		}
		rounds := drain(&q, func(j *job) { j.seen = j.want.Load() })
		if j.seen != 2 {
			t.Errorf("update at step %d is lost: seen %d, want 2", step, j.seen)
		}
		if wantRounds := step / 2; rounds != wantRounds {
			t.Errorf("update at step %d: %d rounds more, want %d", step, rounds, wantRounds)
		}
	}
}

func TestIntakeMisuse(t *testing.T) {
	var q sched.Intake[job]
	a, b := newJob(0, 0), newJob(0, 1)
	mustPanic(t, "Next", func() { a.node.Next() })
	mustPanic(t, "Release", func() { a.node.Release() })
	q.Push(&a.node)
	q.Push(&b.node)
	n := q.Take()
	n.Release()
	mustPanic(t, "Next", func() { n.Next() })
	mustPanic(t, "twice", func() { n.Release() })
}

// Many producers with nodes of their own, a consumer that sleeps when there is nothing and that
// only a Push that returned true wakes: every node arrives, in the order of its producer, and no
// wake-up is missing.
func TestIntakeProducers(t *testing.T) {
	const producers, perProducer = 8, 4000
	var q sched.Intake[job]
	wake := make(chan struct{}, 1)
	for p := range producers {
		go func() {
			for i := range perProducer {
				if q.Push(&newJob(p, i).node) {
					select {
					case wake <- struct{}{}:
					default:
					}
				}
				if i%64 == p {
					runtime.Gosched()
				}
			}
		}()
	}
	within(t, 20*time.Second, "consumer", func() {
		var next [producers]int
		for total := 0; total < producers*perProducer; {
			n := drain(&q, func(j *job) {
				if j.seq != next[j.producer] {
					t.Errorf("producer %d: got %d, want %d", j.producer, j.seq, next[j.producer])
				}
				next[j.producer] = j.seq + 1
			})
			if total += n; n == 0 {
				<-wake
			}
		}
	})
	if !q.Empty() {
		t.Error("more nodes than were pushed")
	}
}

// Producers that share all nodes and push them after each update: no node is in a list twice, and
// what the consumer sees last of each is its final value. Only the last update of a node can be
// lost for good, so there are many short rounds.
func TestIntakeNoLostUpdate(t *testing.T) {
	const rounds, producers, updates, nodes = 1000, 4, 8, 5
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var q sched.Intake[job]
	var jobs [nodes]*job
	for i := range jobs {
		jobs[i] = newJob(0, i)
	}
	handled := 0
	for round := range rounds {
		var running atomic.Int32
		running.Store(producers)
		for p := range producers {
			go func() {
				rng := rand.New(rand.NewPCG(seed, uint64(round*producers+p)))
				for range updates {
					j := jobs[rng.IntN(nodes)]
					j.want.Add(1)
					q.Push(&j.node)
					if rng.IntN(4) == 0 {
						runtime.Gosched()
					}
				}
				running.Add(-1)
			}()
		}
		for last := false; !last; {
			last = running.Load() == 0 // before the take, so that this take is after the last Push
			var taken [nodes]bool
			handled += drain(&q, func(j *job) {
				if taken[j.seq] {
					t.Fatalf("round %d: node %d twice in one list", round, j.seq)
				}
				taken[j.seq] = true
				j.seen = j.want.Load()
				runtime.Gosched() // lets producers in between the read and whatever comes after it
			})
			runtime.Gosched()
		}
		for i, j := range jobs {
			if want := j.want.Load(); j.seen != want {
				t.Fatalf("round %d, node %d: last seen %d, final value %d", round, i, j.seen, want)
			}
		}
	}
	if most := rounds * producers * updates; handled > most || handled < rounds {
		t.Errorf("%d deliveries, want at least one in each of %d rounds and at most %d", handled, rounds, most)
	}
}

func TestIntakeAllocs(t *testing.T) {
	var q sched.Intake[job]
	a, b := newJob(0, 0), newJob(0, 1)
	mustNotAllocate(t, "Push, Take, Release", func() {
		q.Push(&a.node)
		q.Push(&b.node)
		drain(&q, func(*job) {})
	})
}

func BenchmarkIntake(b *testing.B) {
	b.Run("one", func(b *testing.B) {
		var q sched.Intake[job]
		j := newJob(0, 0)
		for b.Loop() {
			q.Push(&j.node)
			n := q.Take()
			n.Next()
			n.Release()
		}
	})
	b.Run("batch64", func(b *testing.B) {
		var q sched.Intake[job]
		var jobs [64]*job
		for i := range jobs {
			jobs[i] = newJob(0, i)
		}
		for b.Loop() {
			for _, j := range jobs {
				q.Push(&j.node)
			}
			drain(&q, func(*job) {})
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/node")
	})
	b.Run("queued", func(b *testing.B) {
		var q sched.Intake[job]
		j := newJob(0, 0)
		q.Push(&j.node)
		for b.Loop() {
			q.Push(&j.node)
		}
	})
	// One consumer spins while all other processors push: the price of contention.
	b.Run("contended", func(b *testing.B) {
		var q sched.Intake[job]
		var stop atomic.Bool
		done := make(chan struct{})
		go func() {
			defer close(done)
			for !stop.Load() {
				if drain(&q, func(*job) {}) == 0 {
					runtime.Gosched()
				}
			}
		}()
		b.RunParallel(func(pb *testing.PB) {
			var jobs [256]*job
			for i := range jobs {
				jobs[i] = newJob(0, i)
			}
			for i := 0; pb.Next(); i++ {
				q.Push(&jobs[i%len(jobs)].node)
			}
		})
		stop.Store(true)
		<-done
	})
}
