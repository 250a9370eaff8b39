#include "ublk.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct ublk_control) == 32, "as in the kernel");
_Static_assert(sizeof(struct ublk_info) == 64, "as in the kernel");
_Static_assert(sizeof(struct ublk_parameters) == 40, "as in the kernel");
_Static_assert(sizeof(struct ublk_io_desc) == 24, "as in the kernel");
_Static_assert(sizeof(struct ublk_io_command) == 16, "as in the kernel");

uint64_t ublk_descriptors_offset(unsigned queue, size_t page_size)
{
	uint64_t size = UBLK_MAX_QUEUE_DEPTH * sizeof(struct ublk_io_desc);

	return queue * ((size + page_size - 1) / page_size * page_size);
}

void ublk_parameters_fill(struct ublk_parameters *into, const struct export_record *record,
			  uint32_t max_io_bytes)
{
	uint8_t shift = (uint8_t)__builtin_ctz(record->block_size);

	memset(into, 0, sizeof(*into));
	into->len = sizeof(*into);
	into->types = UBLK_PARAM_BASIC;
	into->attrs = record->flags & EXPORT_READ_ONLY ? UBLK_ATTR_READ_ONLY : 0;
	into->logical_bs_shift = shift;
	into->physical_bs_shift = shift;
	into->io_opt_shift = shift;
	into->io_min_shift = shift;
	/* Whole blocks: the block layer would split at any sector. */
	into->max_sectors = max_io_bytes / record->block_size * (record->block_size / SECTOR);
	into->dev_sectors = record->size / SECTOR;
}

int ublk_request(const struct ublk_io_desc *desc, uint32_t block_size, uint32_t max_io_bytes,
		 struct message *into, uint32_t *bytes)
{
	uint32_t op = desc->op_flags & 0xff, sectors = block_size / SECTOR;

	memset(into, 0, sizeof(*into));
	*bytes = 0;
	if (op >= OP_COUNT)
		return -EOPNOTSUPP;
	into->opcode = (uint8_t)op;
	if (op == OP_FLUSH)
		return 1;
	if (desc->start_sector % sectors || desc->nr_sectors % sectors)
		return -EINVAL;
	into->lba = desc->start_sector / sectors;
	into->num_blocks = desc->nr_sectors / sectors;
	if (!into->num_blocks)
		return 0;
	if (op == OP_DISCARD)
		return 1;
	if (desc->nr_sectors > max_io_bytes / SECTOR)
		return -EINVAL;
	*bytes = desc->nr_sectors * SECTOR;
	return 1;
}
