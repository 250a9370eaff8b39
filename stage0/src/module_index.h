/* Which file a module is in and what it needs: modules.dep of depmod(8). */
#ifndef STAGE0_MODULE_INDEX_H
#define STAGE0_MODULE_INDEX_H

#include <stdbool.h>
#include <stddef.h>

enum module_state { MODULE_NEW, MODULE_LOADING, MODULE_LOADED };

struct module {
	const char *file;  /* below /lib/modules/<release> */
	const char *needs; /* files with spaces between them, "" for none */
	enum module_state state;
};

/* Points into the text it was made from. */
struct module_index {
	struct module *list;
	unsigned count;
};

/*
 * Takes the text apart; it is changed, and must stay for as long as the index.
 *
 * @return 0, -ENOMEM, or -EBADMSG for a line that is not "file: files".
 */
int module_index_parse(struct module_index *index, char *text);
void module_index_free(struct module_index *index);

/* NULL when there is none. `name` may be a file or its path; '-' and '_' are the same. */
struct module *module_index_find(const struct module_index *index, const char *name);

/* Next word of `*list`, which moves behind it, as text of at most `size` - 1 bytes; false at its end. */
bool module_next_word(const char **list, char *word, size_t size);

/* Is its suffix one of a compressed file? */
bool module_is_compressed(const char *file);

/*
 * Next name in the text of a modules-load.d(5) file: one in each line, '#' and ';' begin comments.
 * `*text` moves on and is changed. NULL at its end.
 */
char *module_next_name(char **text);

#endif
