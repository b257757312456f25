package history

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every wait of a test; it decides nothing but when a hang is called one.
const patience = 60 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testContext ends with the test, or when patience does.
func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
