package record

import (
	"reflect"
	"runtime"
	"testing"
)

var fuzzLimits = Limits{MaxBatchBytes: 1 << 20, MaxRecords: 10_000, MaxUncompressedBytes: 1 << 20}

// seeds are the golden batches, and bodies of every kind with a right checksum.
func seeds(f *testing.F) {
	for _, b := range goldens(f) {
		f.Add([]byte(b))
	}
	for _, body := range badBodies() {
		f.Add([]byte(seal(None, 2, body)))
	}
}

// FuzzSplitValidate: hostile bytes make no panic and take bounded memory; what Validate accepts, Records reads without
// an error, and the Builder writes it so that it reads the same.
func FuzzSplitValidate(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		b, rest, err := Split(in)
		if err != nil {
			if verdict(err) != ErrTruncated && verdict(err) != ErrMalformed {
				t.Fatal(err)
			}
			return
		}
		if len(b)+len(rest) != len(in) {
			t.Fatalf("%d and %d bytes of %d", len(b), len(rest), len(in))
		}
		b = reseal(append(Batch{}, b...)) // else all that is mutated ends at the checksum
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err = b.Validate(fuzzLimits)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 40<<20 {
			t.Fatalf("Validate took %d bytes for a batch of %d", used, len(b))
		}
		if err != nil {
			if verdict(err) == err {
				t.Fatalf("error of no class: %v", err)
			}
			return
		}
		again(t, b)
	})
}

// again reads a valid batch, builds one of its records, and compares.
func again(t *testing.T, b Batch) {
	var records []Record
	builder := NewBuilder(b.Codec())
	for r, err := range b.Records(fuzzLimits) {
		if err != nil {
			t.Fatalf("valid, but: %v", err)
		}
		r.Offset -= b.BaseOffset()
		records = append(records, r)
		builder.Append(r)
	}
	if len(records) != b.Count() {
		t.Fatalf("%d records of %d", len(records), b.Count())
	}
	built, err := builder.Seal(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := built.Validate(Limits{}); err != nil {
		t.Fatalf("built again: %v", err)
	}
	if got := readAll(t, built); !reflect.DeepEqual(got, records) {
		t.Fatalf("built again, it reads\n%v, not\n%v", got, records)
	}
}

// FuzzRecords: no bytes make Records panic, pass its limit, or give more records than the header says.
func FuzzRecords(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		b := Batch(in)
		n, failed := 0, false
		for _, err := range b.Records(fuzzLimits) {
			if failed {
				t.Fatal("goes on after an error")
			}
			if failed = err != nil; failed {
				if verdict(err) == err {
					t.Fatalf("error of no class: %v", err)
				}
				continue
			}
			n++
		}
		if !failed && n != max(b.Count(), 0) {
			t.Fatalf("%d records of %d", n, b.Count())
		}
	})
}

// FuzzWindow: a body is judged the same as a stream of any window as it is in memory.
func FuzzWindow(f *testing.F) {
	for _, b := range goldens(f) {
		if b.Codec() == None {
			f.Add([]byte(b.body()), uint16(b.Count()), uint8(0))
		}
	}
	for _, body := range badBodies() {
		f.Add(body, uint16(2), uint8(16))
	}
	f.Fuzz(func(t *testing.T, body []byte, count uint16, size uint8) {
		memory, stream := walkMemory(int(count), body), walkWindow(int(count), body, maxVarint64+int(size))
		if verdict(memory) != verdict(stream) {
			t.Fatalf("in memory %v, as a stream %v", memory, stream)
		}
	})
}
