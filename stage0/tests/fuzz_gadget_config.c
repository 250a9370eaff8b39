/* CONFIG_EXPORTS: what is accepted keeps every rule that devices rely on. */
#include <stdlib.h>

#include "gadget/protocol.h"
#include "gadget/ublk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct export_list list;
	struct ublk_parameters parameters;
	int index;

	if (config_decode(data, size, &list, &index)) {
		if (index >= MAX_EXPORTS)
			abort();
		return 0;
	}
	if (!config_length_is_valid(size) || list.count > MAX_EXPORTS)
		abort();
	for (uint32_t i = 0; i < list.count; i++) {
		const struct export_record *record = &list.exports[i];

		if (!record->id || !record->size || record->size % record->block_size)
			abort();
		ublk_parameters_fill(&parameters, record, MAX_BLOCK_SIZE);
		if (1u << parameters.logical_bs_shift != record->block_size ||
		    parameters.max_sectors % (record->block_size / SECTOR) ||
		    parameters.dev_sectors * SECTOR != record->size)
			abort();
	}
	return 0;
}
