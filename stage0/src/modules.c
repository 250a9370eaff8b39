#include "modules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "files.h"
#include "log.h"
#include "module_index.h"
#include "sys.h"
#include "text.h"

#define LISTS "/etc/modules-load.d"
#define MODULES "/lib/modules"

enum {
	LONGEST_LIST = 1 << 20,
	LONGEST_INDEX = 16 << 20, /* those of distributions have less than 1 MiB */
	DEEPEST = 64,		  /* modules that need each other in a chain */
	COMPRESSED_FILE = 4,	  /* MODULE_INIT_COMPRESSED_FILE of linux/module.h, since Linux 5.17 */
};

struct loader {
	char release[128];
	struct module_index index;
	int loaded;
};

static const char *advice_for(int error, bool compressed)
{
	switch (error) {
	case -ENOENT:
		return "it needs a symbol of another module that must come before it, or is of another "
		       "kernel: see the kernel's line above";
	case -ENOEXEC:
	case -EINVAL:
		return compressed ? "this kernel may be unable to unpack modules: send them unpacked" :
				    "it is of another kernel: take kernel and modules from one image";
	case -EOPNOTSUPP:
		return "this kernel cannot unpack modules: send them unpacked";
	case -ENOKEY:
	case -EKEYREJECTED:
	case -EPERM:
		return "this kernel takes signed modules only: take kernel and modules from one image";
	case -ENODEV:
		return "its hardware is not there: is this the right device profile?";
	default:
		return "see the kernel's lines above";
	}
}

static int insert(struct loader *loader, struct module *module)
{
	char path[PATH_SIZE];
	bool compressed = module_is_compressed(module->file);
	int fd, result = path_format(path, MODULES "/%s/%s", loader->release, module->file);

	if (result < 0)
		return because(result, NULL, "%s", module->file);
	fd = sys_open(path, O_RDONLY, 0);
	if (fd < 0)
		return because(fd, "it is not in the initramfs", "%s", path);
	result = sys_finit_module(fd, "", compressed ? COMPRESSED_FILE : 0);
	sys_close(fd);
	if (result < 0 && result != -EEXIST)
		return because(result, advice_for(result, compressed), "%s", path);
	loader->loaded += result == 0;
	log_line(LOG_DEBUG, "module %s %s", module->file, result == 0 ? "loaded" : "was there");
	return 0;
}

static int load(struct loader *loader, const char *name, unsigned depth);

static int load_needs(struct loader *loader, struct module *module, unsigned depth)
{
	const char *needs = module->needs;
	char name[256];
	int result = 0;

	while (result == 0 && module_next_word(&needs, name, sizeof(name)))
		result = load(loader, name, depth + 1);
	return result;
}

static int load(struct loader *loader, const char *name, unsigned depth)
{
	struct module *module = module_index_find(&loader->index, name);
	int result;

	if (!module)
		return because(-ENOENT, "the list names it, but it is not in the initramfs",
			       "%s is not in " MODULES "/%s/modules.dep", name, loader->release);
	if (module->state == MODULE_LOADED)
		return 0;
	if (module->state == MODULE_LOADING || depth > DEEPEST)
		return because(-ELOOP, "modules.dep is wrong", "%s needs itself", module->file);
	module->state = MODULE_LOADING;
	result = load_needs(loader, module, depth);
	if (result == 0)
		result = insert(loader, module);
	if (result == 0)
		module->state = MODULE_LOADED;
	return result;
}

/* Modules of another kernel are what a missing folder mostly means. */
static int no_index(const struct loader *loader, int error)
{
	struct names releases;
	int result;

	if (error != -ENOENT)
		return because(error, NULL, MODULES "/%s/modules.dep", loader->release);
	if (list_folder(MODULES, &releases) < 0 || releases.count == 0)
		return because(-ENOENT, "send the modules along", "there is no module for kernel %s",
			       loader->release);
	result = because(-ENOENT, "take kernel and modules from one image",
			 "the modules are for kernel %s, but kernel %s runs", releases.list[0],
			 loader->release);
	free_names(&releases);
	return result;
}

static int load_list(struct loader *loader, const char *file)
{
	char path[PATH_SIZE], *text, *at, *name;
	int result = path_format(path, LISTS "/%s", file);
	ssize_t length;

	if (result < 0)
		return result;
	length = read_file_alloc(path, LONGEST_LIST, &text);
	if (length < 0)
		return because((int)length, NULL, "%s", path);
	at = text;
	while (result == 0 && (name = module_next_name(&at)) != NULL)
		result = load(loader, name, 0);
	free(text);
	return result;
}

static bool is_list(const char *name)
{
	size_t length = strlen(name);

	return length > 5 && strcmp(name + length - 5, ".conf") == 0;
}

static int load_lists(struct loader *loader)
{
	struct names files;
	int result = list_folder(LISTS, &files);

	if (result < 0)
		return because(result, "the host writes it into the initramfs", LISTS);
	for (unsigned i = 0; i < files.count && result == 0; i++) {
		if (is_list(files.list[i]))
			result = load_list(loader, files.list[i]);
	}
	free_names(&files);
	return result;
}

int modules_load(void)
{
	struct loader loader = { .loaded = 0 };
	char path[PATH_SIZE], *text;
	ssize_t length = read_text("/proc/sys/kernel/osrelease", loader.release,
				   sizeof(loader.release));
	int result;

	if (length < 0)
		return because((int)length, NULL, "/proc/sys/kernel/osrelease");
	result = path_format(path, MODULES "/%s/modules.dep", loader.release);
	if (result < 0)
		return result;
	length = read_file_alloc(path, LONGEST_INDEX, &text);
	if (length < 0)
		return no_index(&loader, (int)length);
	result = module_index_parse(&loader.index, text);
	if (result < 0)
		because(result, "the host writes it into the initramfs", "%s", path);
	else
		result = load_lists(&loader);
	module_index_free(&loader.index);
	free(text);
	return result < 0 ? result : loader.loaded;
}
