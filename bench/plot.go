package bench

import (
	"fmt"
	"html/template"
	"io"
	"math"
)

// The size of the picture of ratios, and of its parts.
const (
	plotLeft, plotRight, plotRow, plotTop = 190.0, 700.0, 22.0, 44.0
	plotLow, plotHigh                     = 0.125, 64.0 // the axis, logarithmic
)

// plotted is one ratio in its place.
type plotted struct {
	Y, Low, At, High float64
	Colour, Text     string
}

// plotRowView is one load in the picture.
type plotRowView struct {
	Y     float64
	Name  string
	Dots  []plotted
	Shade bool
}

// plotPanel is one figure of all loads.
type plotPanel struct {
	Title       string
	Y, Top, End float64 // of the title, and of the lines that go down
	Rows        []plotRowView
}

// plotView is what the template draws.
type plotView struct {
	Width, Height, One float64
	Panels             []plotPanel
	Ticks              []mark
}

// plotTemplate draws it; it needs nothing from outside.
const plotTemplate = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{.Width}} {{.Height}}"
 font-family="system-ui,sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
{{$one := .One}}{{$ticks := .Ticks}}{{range .Panels}}{{$panel := .}}<text x="8" y="{{.Y}}" font-weight="600">
{{- .Title}}</text>
{{range .Rows}}{{if .Shade -}}
<rect x="0" y="{{.Y}}" width="100%" height="22" fill="#f4f4f4"/>
{{end}}{{end}}{{range $ticks -}}
<line x1="{{.At}}" x2="{{.At}}" y1="{{$panel.Top}}" y2="{{$panel.End}}" stroke="#ddd"/>
<text x="{{.At}}" y="{{$panel.Top}}" dy="-4" text-anchor="middle" fill="#666" font-size="10">{{.Text}}</text>
{{end}}<line x1="{{$one}}" x2="{{$one}}" y1="{{.Top}}" y2="{{.End}}" stroke="#444"/>
{{range .Rows}}<text x="8" y="{{.Y}}" dy="15">{{.Name}}</text>
{{range .Dots -}}
<line x1="{{.Low}}" x2="{{.High}}" y1="{{.Y}}" y2="{{.Y}}" stroke="{{.Colour}}" stroke-width="3"
 stroke-opacity=".45"/>
<circle cx="{{.At}}" cy="{{.Y}}" r="4" fill="{{.Colour}}"/>
<text x="{{.High}}" y="{{.Y}}" dx="7" dy="4" font-size="10" fill="{{.Colour}}">{{.Text}}</text>
{{end}}{{end}}{{end}}</svg>
`

// WriteRatioPlot draws, for each load, how the throughput of the last column compares with that of each other one, and
// under it the same of the broker's CPU time a GB, each with its 95% interval, as one SVG file. Loads that some column
// lacks have no dot there; a figure that no two columns have has no part of the picture.
func WriteRatioPlot(w io.Writer, columns []Column) error {
	page, err := template.New("plot").Parse(plotTemplate)
	if err != nil {
		return fmt.Errorf("bench: the plot's template: %w", err)
	}
	over := columns[len(columns)-1].Name + " over that of"
	for i := range columns[:len(columns)-1] {
		over += fmt.Sprintf(" %s (%s)", columns[i].Name, [...]string{"blue", "red", "green"}[i%3])
	}
	v := plotView{Width: plotRight + 60, One: plotAcross(1)}
	for x := plotLow; x <= plotHigh; x *= 2 {
		v.Ticks = append(v.Ticks, mark{plotAcross(x), fmt.Sprintf("%gx", x)})
	}
	for _, figure := range []struct {
		name string
		of   func(Column, string) []float64
	}{
		{"throughput of " + over + "; right is better", throughputs},
		{"broker's CPU time a GB, " + over + "; left is better", costs},
	} {
		if p := newPlotPanel(v.Height, columns, figure.of); len(p.Rows) > 0 {
			p.Title = figure.name
			v.Panels, v.Height = append(v.Panels, p), p.End+8
		}
	}
	if err := page.Execute(w, v); err != nil {
		return fmt.Errorf("bench: write the plot: %w", err)
	}
	return nil
}

// plotAcross is where a ratio lies.
func plotAcross(x float64) float64 {
	x = math.Log2(min(max(x, plotLow), plotHigh)/plotLow) / math.Log2(plotHigh/plotLow)
	return math.Round(10*(plotLeft+x*(plotRight-plotLeft))) / 10
}

// newPlotPanel places the ratios of one figure, from y down.
func newPlotPanel(y float64, columns []Column, of func(Column, string) []float64) plotPanel {
	p := plotPanel{Y: y + 18, Top: y + plotTop}
	last := len(columns) - 1
	y = p.Top + 6
	for _, title := range titles(columns) {
		row := plotRowView{Y: y, Name: title, Shade: len(p.Rows)%2 == 0}
		after := of(columns[last], title)
		for i, c := range columns[:last] {
			before := of(c, title)
			if len(before) == 0 || len(after) == 0 {
				continue
			}
			r := Compare(before, after)
			row.Dots = append(row.Dots, plotted{Y: y + plotRow/2, Low: plotAcross(r.Low), At: plotAcross(r.Value),
				High: plotAcross(r.High), Colour: colours[i%3], Text: fmt.Sprintf("%.2gx", r.Value)})
		}
		if len(row.Dots) > 0 {
			p.Rows = append(p.Rows, row)
			y += plotRow
		}
	}
	p.End = y
	return p
}

// costs are the seconds of the broker's CPU a GB of the runs of a load.
func costs(c Column, title string) (all []float64) {
	for _, r := range c.Results {
		if v, ok := perGB(r); ok && r.Title() == title {
			all = append(all, v)
		}
	}
	return all
}

// throughputs are the bytes a second of the runs of a load: read, where reading is what it measures.
func throughputs(c Column, title string) (all []float64) {
	for _, r := range c.Results {
		if r.Title() != title {
			continue
		}
		flow := r.Produce
		if flow == nil {
			flow = r.Consume
		}
		if v, ok := flowRate(flow); ok {
			all = append(all, v)
		}
	}
	return all
}
