package record

import (
	"fmt"
	"testing"
)

// benchRecords are enough records of n bytes, half compressible, for a batch of about 1 MiB, less for small ones.
func benchRecords(n int) []Record {
	records := make([]Record, min(10_000, 1<<20/n))
	for i := range records {
		value := make([]byte, n)
		for j := range value[:n/2] {
			value[j] = byte(i*j*7 + j>>3)
		}
		records[i] = Record{Timestamp: goldenTime + int64(i/10), Key: fmt.Appendf(nil, "key-%d", i%100), Value: value}
	}
	return records
}

func BenchmarkValidate(b *testing.B) {
	for _, n := range []int{100, 1024, 64 << 10} {
		for _, codec := range codecs {
			b.Run(fmt.Sprintf("%v/record=%d", codec, n), func(b *testing.B) {
				batch := build(b, codec, benchRecords(n))
				b.SetBytes(int64(len(build(b, None, benchRecords(n)))))
				b.ReportAllocs()
				for b.Loop() {
					if err := batch.Validate(Limits{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkVerifyCRC(b *testing.B) {
	batch := build(b, None, benchRecords(1024))
	b.SetBytes(int64(len(batch)))
	for b.Loop() {
		if err := batch.VerifyCRC(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStampAppendTime(b *testing.B) {
	batch := build(b, None, benchRecords(1024))
	var ms int64
	for b.Loop() {
		ms++
		batch.StampAppendTime(ms)
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, n := range []int{100, 1024} {
		for _, codec := range codecs {
			b.Run(fmt.Sprintf("%v/record=%d", codec, n), func(b *testing.B) {
				records, builder := benchRecords(n), NewBuilder(codec)
				var dst []byte
				b.ReportAllocs()
				for b.Loop() {
					builder.Reset()
					for i := range records {
						builder.Append(records[i])
					}
					batch, err := builder.Seal(dst[:0])
					if err != nil {
						b.Fatal(err)
					}
					dst = batch
					b.SetBytes(int64(builder.Size()))
				}
			})
		}
	}
}

func BenchmarkRecords(b *testing.B) {
	for _, codec := range codecs {
		b.Run(codec.String(), func(b *testing.B) {
			batch := build(b, codec, benchRecords(100))
			b.SetBytes(int64(len(build(b, None, benchRecords(100)))))
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range batch.Records(Limits{}) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
