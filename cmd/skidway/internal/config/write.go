package config

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Write writes a configuration file that holds every key, commented out, with its default: the text of
// `skidway config init`. Read back as it is, it changes nothing.
func Write(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Settings of  skidway serve -c FILE . What is commented out is the default.\n" +
		"# Every key is also a flag (--log.retention) and a variable (SKIDWAY_LOG_RETENTION); a flag wins over a\n" +
		"# variable, and a variable over this file. Check the file with  skidway config check FILE .\n")
	section := ""
	for _, k := range Keys() {
		if s := k.Section(); s != section {
			section = s
			fmt.Fprintf(&b, "\n[%s]\n", s)
		} else {
			b.WriteByte('\n')
		}
		b.WriteString("# " + k.Doc)
		if k.Accepts != "" {
			b.WriteString("\n# accepts: " + k.Accepts)
		}
		fmt.Fprintf(&b, "\n#%s = %s\n", k.Leaf(), k.literal(k.Default))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// literal writes text as a TOML value of the key's kind.
func (k Key) literal(text string) string {
	switch k.Kind {
	case Number:
		if _, err := strconv.ParseInt(text, 0, 64); err == nil {
			return text
		}
	case Switch:
		return text
	}
	return strconv.Quote(text)
}
