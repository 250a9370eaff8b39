#include "machine_id.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "sys.h"
#include "text.h"

/* FNV-1a-64: Fowler, Noll, Vo. */
#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t fnv(uint64_t hash, const void *from, size_t size)
{
	const uint8_t *bytes = from;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * FNV_PRIME;
	return hash;
}

static uint64_t half_of(const char *serial, uint8_t half)
{
	static const char DOMAIN[] = "fastboop-stage0-machine-id-v1"; /* its NUL counts too */
	uint64_t hash = fnv(FNV_OFFSET, DOMAIN, sizeof(DOMAIN));

	hash = fnv(hash, serial, strlen(serial) + 1);
	return fnv(hash, &half, 1);
}

int machine_id(const char *serial, char id[MACHINE_ID_SIZE])
{
	uint64_t halves[2] = { half_of(serial, 0), half_of(serial, 1) };
	ssize_t got;

	if (!*serial) {
		got = sys_getrandom(halves, sizeof(halves));
		if (got != (ssize_t)sizeof(halves))
			return got < 0 ? (int)got : -EIO;
	}
	if (halves[0] == 0 && halves[1] == 0) /* is no id */
		halves[0] = UINT64_C(1) << 56;
	for (unsigned i = 0; i < 2; i++)
		text_format(id + 16 * i, 17, "%08x%08x", (unsigned)(halves[i] >> 32),
			    (unsigned)halves[i]);
	return 0;
}
