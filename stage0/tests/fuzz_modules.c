/* Any text as modules.dep and as a list of modules: each module is found under its own name. */
#include <stdlib.h>
#include <stdint.h>
#include <string.h>

#include "module_index.h"

static void walk_needs(const struct module *module)
{
	const char *needs = module->needs;
	char word[16];

	while (module_next_word(&needs, word, sizeof(word))) {
		if (strlen(word) >= sizeof(word))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *list = malloc(size + 1), *at = list, *name;
	struct module_index index;

	memcpy(text, data, size);
	text[size] = '\0';
	memcpy(list, text, size + 1);
	if (module_index_parse(&index, text) == 0) {
		for (unsigned i = 0; i < index.count && i < 100; i++) {
			if (!module_index_find(&index, index.list[i].file))
				abort();
			walk_needs(&index.list[i]);
		}
		while ((name = module_next_name(&at)) != NULL)
			module_index_find(&index, name);
		module_index_free(&index);
	}
	free(text);
	free(list);
	return 0;
}
