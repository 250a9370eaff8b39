/* Any value for any setting: taken or refused, and what is taken is within its limits. */
#include <stdlib.h>
#include <string.h>

#include "settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings settings;
	char *text = malloc(size + 1), *value;

	memcpy(text, data, size);
	text[size] = '\0';
	value = strchr(text, '=');
	settings_default(&settings);
	if (value) {
		*value++ = '\0';
		if (settings_set(&settings, text, value) == 0 && !settings_expected(text))
			abort();
	}
	if (settings.queue_count < 1 || settings.queue_count > 16 || settings.queue_depth < 1 ||
	    settings.queue_depth > 1024 || settings.max_io_bytes % 4096 != 0 ||
	    settings.max_io_bytes < 4096 || settings.max_io_bytes > 32 << 20 ||
	    settings.failure_delay > 3600 || strlen(settings.serial) >= SETTING_SIZE)
		abort();
	free(text);
	return 0;
}
