package record

import "hash/crc32"

// castagnoli is the one table that hash/crc32 recognises and computes by the processor's CRC32 instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A CRC is linear: for messages A and B of the same length, crc(A) ^ crc(B) = raw(A ^ B), where raw is the CRC without
// the inversions before and after. So a change of a few bytes at the front changes the checksum by raw(change, zeros),
// and n zero bytes multiply by x^8n in the field of polynomials over GF(2) modulo the Castagnoli polynomial.

// crcDelta is the change of the checksum of a message that changes by delta (xor), delta being followed by n bytes that
// stay as they are.
func crcDelta(delta []byte, n int) uint32 {
	raw := ^crc32.Update(^uint32(0), castagnoli, delta)
	for k := 0; n > 0; k, n = k+1, n>>1 {
		if n&1 != 0 {
			raw = polyMul(raw, zeroBytes[k])
		}
	}
	return raw
}

// zeroBytes[k] is x^(8 * 2^k): what 2^k zero bytes multiply by. A batch has fewer than 2^31 bytes.
var zeroBytes = func() (t [32]uint32) {
	t[0] = 1 << 23 // x^8; bit 31 is x^0 in this reflected form
	for k := 1; k < len(t); k++ {
		t[k] = polyMul(t[k-1], t[k-1])
	}
	return t
}()

// polyMul is a*b modulo the polynomial, in the reflected form in which hash/crc32 works (the highest bit is x^0).
func polyMul(a, b uint32) uint32 {
	var product uint32
	for ; a != 0; a <<= 1 {
		product ^= b & -(a >> 31)
		b = b>>1 ^ crc32.Castagnoli&-(b&1)
	}
	return product
}
