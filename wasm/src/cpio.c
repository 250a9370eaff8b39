/* newc, as Documentation/driver-api/early-userspace/buffer-format.rst of Linux has it. */
#include <string.h>
#include "fastboop.h"

enum {
	HEADER_SIZE = 110, /* magic of 6 and 13 numbers of 8 hexadecimal digits */
	FIELDS = 13,
};

static const char TRAILER[] = "TRAILER!!!";

static size_t padded(size_t size) { return (size + 3) & ~(size_t)3; }

static uint8_t *write_head(uint8_t *out, uint32_t inode, const struct fb_cpio_record *record,
                           const uint8_t *name)
{
	const uint32_t fields[FIELDS] = {
		inode, record->mode, record->uid, record->gid, record->link_count, record->mtime,
		record->data_size, 0, 0, record->rdev_major, record->rdev_minor, record->name_size + 1,
		0, /* check sum: not in this variant */
	};
	size_t size = HEADER_SIZE + record->name_size + 1;

	memcpy(out, "070701", 6);
	for (int field = 0; field < FIELDS; field++)
		for (int digit = 0; digit < 8; digit++)
			out[6 + 8 * field + digit] =
				(uint8_t)"0123456789ABCDEF"[fields[field] >> (28 - 4 * digit) & 15];
	memcpy(out + HEADER_SIZE, name, record->name_size);
	memset(out + size - 1, 0, padded(size) - size + 1);
	return out + padded(size);
}

int fb_cpio_heads(const uint8_t *records, size_t size, uint8_t *out, size_t out_size)
{
	const struct fb_cpio_record trailer = {.link_count = 1, .name_size = sizeof(TRAILER) - 1};
	const uint8_t *end = records + size;
	uint8_t *start = out, *limit = out + out_size;
	uint32_t inode = 1;

	while (records < end) {
		struct fb_cpio_record record;
		if ((size_t)(end - records) < sizeof(record))
			return FB_BAD_ARGUMENT;
		memcpy(&record, records, sizeof(record));
		records += sizeof(record);
		if (record.name_size > (size_t)(end - records)
		    || padded(record.name_size) > (size_t)(end - records)
		    || padded(HEADER_SIZE + record.name_size + 1) > (size_t)(limit - out))
			return FB_BAD_ARGUMENT;
		out = write_head(out, inode++, &record, records);
		records += padded(record.name_size);
	}
	if (padded(HEADER_SIZE + sizeof(TRAILER)) > (size_t)(limit - out))
		return FB_BAD_ARGUMENT;
	out = write_head(out, 0, &trailer, (const uint8_t *)TRAILER);
	return (int)(out - start);
}
