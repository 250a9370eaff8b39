#include "module_index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const SUFFIXES[] = { ".ko", ".ko.gz", ".ko.xz", ".ko.zst" };

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Length without the suffix of a module. */
static size_t name_length(const char *base)
{
	size_t length = strlen(base);

	for (unsigned i = 0; i < sizeof(SUFFIXES) / sizeof(SUFFIXES[0]); i++) {
		size_t suffix = strlen(SUFFIXES[i]);

		if (length > suffix && strcmp(base + length - suffix, SUFFIXES[i]) == 0)
			return length - suffix;
	}
	return length;
}

static char folded(char c)
{
	return c == '-' ? '_' : c;
}

static bool same_name(const char *a, const char *b)
{
	size_t length;

	a = base_of(a);
	b = base_of(b);
	length = name_length(a);
	if (name_length(b) != length)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (folded(a[i]) != folded(b[i]))
			return false;
	}
	return true;
}

bool module_is_compressed(const char *file)
{
	size_t length = strlen(file);

	return length < 3 || strcmp(file + length - 3, ".ko") != 0;
}

/* Ends the line at `*text` and moves behind it. NULL at the end of the text. */
static char *next_line(char **text)
{
	char *line = *text, *end;

	if (!*line)
		return NULL;
	end = strchr(line, '\n');
	if (end)
		*end = '\0';
	*text = end ? end + 1 : line + strlen(line);
	return line;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static char *trim(char *line)
{
	size_t length;

	while (is_blank(*line))
		line++;
	length = strlen(line);
	while (length > 0 && is_blank(line[length - 1]))
		line[--length] = '\0';
	return line;
}

char *module_next_name(char **text)
{
	char *line;

	while ((line = next_line(text)) != NULL) {
		line = trim(line);
		if (*line && *line != '#' && *line != ';')
			return line;
	}
	return NULL;
}

static int add_line(struct module_index *index, char *line)
{
	char *colon;

	line = trim(line);
	if (!*line)
		return 0;
	colon = strchr(line, ':');
	if (!colon || colon == line)
		return -EBADMSG;
	*colon = '\0';
	index->list[index->count++] = (struct module){ .file = line, .needs = trim(colon + 1) };
	return 0;
}

static unsigned count_lines(const char *text)
{
	unsigned count = 1;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

int module_index_parse(struct module_index *index, char *text)
{
	char *line;
	int result = 0;

	index->count = 0;
	index->list = calloc(count_lines(text), sizeof(*index->list));
	if (!index->list)
		return -ENOMEM;
	while (result == 0 && (line = next_line(&text)) != NULL)
		result = add_line(index, line);
	if (result < 0)
		module_index_free(index);
	return result;
}

void module_index_free(struct module_index *index)
{
	free(index->list);
	index->list = NULL;
	index->count = 0;
}

struct module *module_index_find(const struct module_index *index, const char *name)
{
	for (unsigned i = 0; i < index->count; i++) {
		if (same_name(index->list[i].file, name))
			return &index->list[i];
	}
	return NULL;
}

bool module_next_word(const char **list, char *word, size_t size)
{
	const char *at = *list;
	size_t length = 0;

	while (is_blank(*at))
		at++;
	for (; *at && !is_blank(*at); at++) {
		if (length + 1 < size)
			word[length++] = *at;
	}
	word[length] = '\0';
	*list = at;
	return length > 0;
}
