package report

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// plot is a picture of lines over two axes, as SVG. Its colours are the page's.
type plot struct {
	title, x, y string
	logX, logY  bool
	ticksX      []tick // in place of those that the plot finds
	fromZero    bool
	mark        float64 // a horizontal line: 1 for ratios; 0: none
	formatX     func(float64) string
	formatY     func(float64) string
	lines       []curve
}

type tick struct {
	at   float64
	text string
}

// curve is one line, with an interval around each point if lo and hi are set.
type curve struct {
	name   string
	points []point
}

type point struct{ x, y, lo, hi float64 }

// The size of a plot and of its margins, in pixels.
const (
	plotWidth, plotHeight = 560, 300
	marginLeft            = 70
	marginRight           = 14
	marginTop             = 30
	marginBottom          = 62
	colours               = 6
)

// axis maps values to pixels.
type axis struct {
	lo, hi   float64
	log      bool
	from, to float64
}

func (a axis) at(v float64) float64 {
	lo, hi := a.lo, a.hi
	if a.log {
		v, lo, hi = math.Log10(v), math.Log10(lo), math.Log10(hi)
	}
	if hi == lo {
		return (a.from + a.to) / 2
	}
	return a.from + (v-lo)/(hi-lo)*(a.to-a.from)
}

// ticks are five or so round values.
func (a axis) ticks() []float64 {
	var all []float64
	if a.log {
		for e := math.Floor(math.Log10(a.lo)); e <= math.Ceil(math.Log10(a.hi)); e++ {
			for _, m := range []float64{1, 2, 5} {
				if v := m * math.Pow(10, e); v >= a.lo*0.999 && v <= a.hi*1.001 {
					all = append(all, v)
				}
			}
		}
		for len(all) > 8 {
			var some []float64
			for i := 0; i < len(all); i += 3 {
				some = append(some, all[i])
			}
			all = some
		}
		return all
	}
	step := math.Pow(10, math.Floor(math.Log10((a.hi-a.lo)/4)))
	for _, m := range []float64{5, 2, 1} {
		if (a.hi-a.lo)/(m*step) >= 4 {
			step *= m
			break
		}
	}
	for v := math.Ceil(a.lo/step) * step; v <= a.hi+step/1000; v += step {
		all = append(all, v)
	}
	return all
}

// bounds of what is drawn.
func (p *plot) bounds() (x, y axis, ok bool) {
	x = axis{math.Inf(1), math.Inf(-1), p.logX, marginLeft, plotWidth - marginRight}
	y = axis{math.Inf(1), math.Inf(-1), p.logY, plotHeight - marginBottom, marginTop}
	see := func(a *axis, v float64) {
		if !a.log || v > 0 {
			a.lo, a.hi = min(a.lo, v), max(a.hi, v)
		}
	}
	for _, c := range p.lines {
		for _, pt := range c.points {
			see(&x, pt.x)
			see(&y, pt.y)
			if pt.hi > 0 {
				see(&y, pt.lo)
				see(&y, pt.hi)
			}
		}
	}
	if math.IsInf(x.lo, 0) || math.IsInf(y.lo, 0) {
		return x, y, false
	}
	if p.mark != 0 {
		see(&y, p.mark)
	}
	if p.fromZero {
		y.lo = 0
	}
	for _, a := range []*axis{&x, &y} {
		switch {
		case a.lo == a.hi && a.log:
			a.lo, a.hi = a.lo/2, a.hi*2
		case a.lo == a.hi:
			a.lo, a.hi = a.lo-1, a.hi+1
		}
	}
	if y.log {
		y.lo, y.hi = y.lo/1.2, y.hi*1.2
	} else if pad := (y.hi - y.lo) * 0.06; p.fromZero {
		y.hi += pad
	} else {
		y.lo, y.hi = y.lo-pad, y.hi+pad
	}
	return x, y, true
}

// svg draws the plot, or nothing if there is nothing to draw.
func (p *plot) svg() string {
	x, y, ok := p.bounds()
	if !ok {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, plotWidth, plotHeight,
		html.EscapeString(p.title))
	text := func(px, py float64, class, s string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" class="%s">%s</text>`, px, py, class, html.EscapeString(s))
	}
	text(marginLeft, 16, "title", p.title)
	bottom := float64(plotHeight - marginBottom)
	for _, v := range y.ticks() {
		at := y.at(v)
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" class="grid"/>`, marginLeft, plotWidth-marginRight,
			at, at)
		text(marginLeft-6, at+4, "end", p.formatY(v))
	}
	ticks := p.ticksX
	if ticks == nil {
		for _, v := range x.ticks() {
			ticks = append(ticks, tick{v, p.formatX(v)})
		}
	}
	for _, t := range ticks {
		if at := x.at(t.at); at >= marginLeft-1 && at <= plotWidth-marginRight+1 {
			fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%.1f" class="grid"/>`, at, at, marginTop, bottom)
			text(at, bottom+15, "middle", t.text)
		}
	}
	text((marginLeft+plotWidth-marginRight)/2, bottom+30, "middle axis", p.x)
	fmt.Fprintf(&b, `<text transform="translate(12 %.1f) rotate(-90)" class="middle axis">%s</text>`,
		(bottom+marginTop)/2, html.EscapeString(p.y))
	if p.mark != 0 {
		at := y.at(p.mark)
		fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" class="mark"/>`, marginLeft, plotWidth-marginRight,
			at, at)
	}
	for i, c := range p.lines {
		p.curve(&b, x, y, c, i%colours)
		px := float64(marginLeft + i%4*122)
		py := float64(plotHeight - 16 + i/4*13)
		fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="10" height="10" class="f%d"/>`, px, py-9, i%colours)
		text(px+14, py, "legend", c.name)
	}
	b.WriteString("</svg>")
	return b.String()
}

func (p *plot) curve(b *strings.Builder, x, y axis, c curve, colour int) {
	var path []string
	for _, pt := range c.points {
		if y.log && pt.y <= 0 || x.log && pt.x <= 0 {
			continue
		}
		px, py := x.at(pt.x), y.at(pt.y)
		path = append(path, fmt.Sprintf("%.1f,%.1f", px, py))
		if pt.hi > 0 {
			fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" class="s%d"/>`, px, px, y.at(pt.lo), y.at(pt.hi),
				colour)
		}
		if len(c.points) <= 40 {
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" class="f%d"><title>%s: %s</title></circle>`, px, py, colour,
				html.EscapeString(c.name), html.EscapeString(p.formatY(pt.y)))
		}
	}
	fmt.Fprintf(b, `<polyline points="%s" class="s%d"/>`, strings.Join(path, " "), colour)
}
