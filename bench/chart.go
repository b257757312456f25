package bench

import (
	"fmt"
	"math"
	"strings"
)

// point is one of a line: what is across and what is up. NaN is a gap.
type point struct{ x, y float64 }

type line struct {
	name   string
	points []point
}

// chart is a drawing, in the units of an SVG of chartWidth by chartHeight.
type chart struct {
	Title, Across string
	Lines         []drawn
	Up, Along     []mark // of the axes
	Shades        []shade
	Filled        bool // something in it is not 0
}

// drawn is a line that has its place.
type drawn struct{ Name, Path, Colour string }

// mark is a number on an axis, and where.
type mark struct {
	At   float64
	Text string
}

// shade is a stretch of time that is not measured.
type shade struct{ From, Width float64 }

// The size of a chart, and of the room for its axes.
const (
	chartWidth, chartHeight = 560.0, 200.0
	chartLeft, chartBottom  = 56.0, 22.0
	chartTop, chartRight    = 8.0, 8.0
)

// colours of lines, told apart also by those who see fewer.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999"}

// newChart draws lines over the time of a run, with what is not measured shaded.
func newChart(title string, r *Result, lines ...line) chart {
	maxX := 1.0
	for i := range r.Timeline {
		maxX = max(maxX, r.Timeline[i].At)
	}
	c, across := layout(title, lines, maxX)
	c.Across = "seconds"
	for x := 0.0; x <= maxX; x += niceStep(maxX / 8) {
		c.Along = append(c.Along, mark{across(x), number(x)})
	}
	from := 0.0
	for i := range r.Timeline {
		t := &r.Timeline[i]
		if t.Phase != PhaseMeasuring {
			c.Shades = append(c.Shades, shade{across(from), across(t.At) - across(from)})
		}
		from = t.At
	}
	return c
}

// newPercentileChart draws distributions over 1/(1-p).
func newPercentileChart(lines []line) chart {
	maxX := 1.0
	for _, l := range lines {
		for _, p := range l.points {
			maxX = max(maxX, p.x)
		}
	}
	c, across := layout("latency by percentile, ms", lines, maxX)
	c.Across = "percentile"
	for i, text := range []string{"0", "90", "99", "99.9", "99.99", "99.999", "99.9999"} {
		if float64(i) <= maxX {
			c.Along = append(c.Along, mark{across(float64(i)), text})
		}
	}
	return c
}

// layout draws lines, from 0 up, and the axis that goes up. It returns what places a number across.
func layout(title string, lines []line, maxX float64) (chart, func(float64) float64) {
	maxY := 0.0
	for _, l := range lines {
		for _, p := range l.points {
			if !math.IsNaN(p.y) {
				maxY = max(maxY, p.y)
			}
		}
	}
	filled := maxY > 0
	if !filled {
		maxY = 1
	}
	step := niceStep(maxY / 4)
	maxY = math.Ceil(maxY/step) * step
	across := func(x float64) float64 { return chartLeft + x/maxX*(chartWidth-chartLeft-chartRight) }
	up := func(y float64) float64 { return chartTop + (1-y/maxY)*(chartHeight-chartTop-chartBottom) }
	c := chart{Title: title, Filled: filled}
	for y := 0.0; y <= maxY*1.001; y += step {
		c.Up = append(c.Up, mark{up(y), number(y)})
	}
	for i, l := range lines {
		var path strings.Builder
		next := 'M'
		for _, p := range l.points {
			if math.IsNaN(p.y) {
				next = 'M'
				continue
			}
			fmt.Fprintf(&path, "%c%.1f %.1f", next, across(p.x), up(p.y))
			next = 'L'
		}
		c.Lines = append(c.Lines, drawn{l.name, path.String(), colours[i%len(colours)]})
	}
	return c, across
}

// niceStep is the smallest of 1, 2, 5, 10, 20, ... that is not below x.
func niceStep(x float64) float64 {
	if x <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(x)))
	for _, n := range []float64{1, 2, 5} {
		if n*unit >= x*0.999999 {
			return n * unit
		}
	}
	return 10 * unit
}

// number writes what stands on an axis.
func number(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", math.Round(v/1e4)/100)
	case v >= 1e4:
		return fmt.Sprintf("%gk", math.Round(v/10)/100)
	}
	return fmt.Sprintf("%g", math.Round(v*1000)/1000)
}
