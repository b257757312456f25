package bench

import (
	"fmt"
	"html/template"
	"io"
	"math"
)

// The size of the picture of ratios, and of its parts.
const (
	plotLeft, plotRight, plotRow, plotTop = 190.0, 700.0, 22.0, 34.0
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

// plotView is what the template draws.
type plotView struct {
	Width, Height, One float64
	Rows               []plotRowView
	Ticks              []mark
	Title              string
}

// plotTemplate draws it; it needs nothing from outside.
const plotTemplate = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{.Width}} {{.Height}}"
 font-family="system-ui,sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/><text x="8" y="18" font-weight="600">{{.Title}}</text>
{{$h := .Height}}{{range .Rows}}{{if .Shade -}}
<rect x="0" y="{{.Y}}" width="100%" height="22" fill="#f4f4f4"/>
{{end}}{{end}}{{range .Ticks -}}
<line x1="{{.At}}" x2="{{.At}}" y1="34" y2="{{$h}}" stroke="#ddd"/>
<text x="{{.At}}" y="30" text-anchor="middle" fill="#666" font-size="10">{{.Text}}</text>
{{end}}<line x1="{{.One}}" x2="{{.One}}" y1="34" y2="{{.Height}}" stroke="#444"/>
{{range .Rows}}<text x="8" y="{{.Y}}" dy="15">{{.Name}}</text>
{{range .Dots -}}
<line x1="{{.Low}}" x2="{{.High}}" y1="{{.Y}}" y2="{{.Y}}" stroke="{{.Colour}}" stroke-width="3"
 stroke-opacity=".45"/>
<circle cx="{{.At}}" cy="{{.Y}}" r="4" fill="{{.Colour}}"/>
<text x="{{.High}}" y="{{.Y}}" dx="7" dy="4" font-size="10" fill="{{.Colour}}">{{.Text}}</text>
{{end}}{{end}}</svg>
`

// WriteRatioPlot draws, for each load, how the throughput of the last column compares with that of each other one, with
// its 95% interval, as one SVG file. Loads that some column lacks have no dot there.
func WriteRatioPlot(w io.Writer, columns []Column) error {
	page, err := template.New("plot").Parse(plotTemplate)
	if err != nil {
		return fmt.Errorf("bench: the plot's template: %w", err)
	}
	last := len(columns) - 1
	across := func(x float64) float64 {
		x = math.Log2(min(max(x, plotLow), plotHigh)/plotLow) / math.Log2(plotHigh/plotLow)
		return math.Round(10*(plotLeft+x*(plotRight-plotLeft))) / 10
	}
	v := plotView{Width: plotRight + 60, One: across(1)}
	v.Title = "throughput of " + columns[last].Name + " over that of"
	for i := range columns[:last] {
		v.Title += fmt.Sprintf(" %s (%s)", columns[i].Name, [...]string{"blue", "red", "green"}[i%3])
	}
	for x := plotLow; x <= plotHigh; x *= 2 {
		v.Ticks = append(v.Ticks, mark{across(x), fmt.Sprintf("%gx", x)})
	}
	y := plotTop + 6
	for n, title := range titles(columns) {
		row := plotRowView{Y: y, Name: title, Shade: n%2 == 0}
		after := throughputs(columns[last], title)
		for i, c := range columns[:last] {
			before := throughputs(c, title)
			if len(before) == 0 || len(after) == 0 {
				continue
			}
			r := Compare(before, after)
			row.Dots = append(row.Dots, plotted{Y: y + plotRow/2, Low: across(r.Low), At: across(r.Value), High: across(r.High),
				Colour: colours[i%3], Text: fmt.Sprintf("%.2gx", r.Value)})
		}
		if len(row.Dots) > 0 {
			v.Rows = append(v.Rows, row)
			y += plotRow
		}
	}
	v.Height = y + 8
	if err := page.Execute(w, v); err != nil {
		return fmt.Errorf("bench: write the plot: %w", err)
	}
	return nil
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
