#include <libdeflate.h>
#include "fastboop.h"

enum { CRC32C_POLYNOMIAL = (int)0x82f63b78 }; /* reflected; RFC 3720, section 12.1 */

static uint32_t tables[8][256];

static void make_tables(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t sum = byte;
		for (int bit = 0; bit < 8; bit++)
			sum = (sum >> 1) ^ (sum & 1 ? (uint32_t)CRC32C_POLYNOMIAL : 0);
		tables[0][byte] = sum;
	}
	for (int table = 1; table < 8; table++)
		for (uint32_t byte = 0; byte < 256; byte++) {
			uint32_t before = tables[table - 1][byte];
			tables[table][byte] = (before >> 8) ^ tables[0][before & 0xff];
		}
}

uint32_t fb_crc32(uint32_t sum, const uint8_t *in, size_t size)
{
	return libdeflate_crc32(sum, in, size);
}

uint32_t fb_crc32c(uint32_t sum, const uint8_t *in, size_t size)
{
	const uint8_t *end = in + size;

	if (!tables[0][1])
		make_tables();
	sum = ~sum;
	for (; end - in >= 8; in += 8) {
		uint32_t low, high;
		__builtin_memcpy(&low, in, 4);
		__builtin_memcpy(&high, in + 4, 4);
		low ^= sum;
		sum = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff]
		      ^ tables[4][low >> 24] ^ tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff]
		      ^ tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
	}
	for (; in < end; in++)
		sum = (sum >> 8) ^ tables[0][(sum ^ *in) & 0xff];
	return ~sum;
}
