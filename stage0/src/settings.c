#include "settings.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "files.h"
#include "text.h"

enum kind { FLAG, COUNT, ID, TEXT, WORD };

#define FIELD(name) offsetof(struct settings, name)

/* Values a word may have, in the order of their numbers. */
static const char *const FILE_SYSTEMS[] = { "erofs", "ext4", "squashfs", NULL };
static const char *const POLICIES[] = { "panic", "reboot", "bootloader", "poweroff", "wait", NULL };
static const char *const LEVELS[] = { "error", "warn", "info", "debug", "trace", NULL };

struct key {
	const char *name;
	enum kind kind;
	size_t field;
	uint64_t least, most;
	const char *expected;
};

static const char ON_OFF[] = "1, true, yes, on, 0, false, no or off";
static const char USB_ID[] = "0 to 65535 or 0x0000 to 0xffff";
static const char DEPTH[] = "1 to 1024";
static const char IO_BYTES[] = "a multiple of 4096 from 4096 to 33554432";
static const char ANY_TEXT[] = "text of at most 1023 bytes without control characters";

/* Two names of one field are two names of one setting. */
static const struct key KEYS[] = {
	{ "stage0.rootfs", WORD, FIELD(rootfs), 0, 0, "erofs, ext4 or squashfs" },
	{ "stage0.serial", TEXT, FIELD(serial), 0, 0, ANY_TEXT },
	{ "stage0.yeetfstab", FLAG, FIELD(remove_fstab), 0, 0, ON_OFF },
	{ "stage0.fb", FLAG, FIELD(framebuffer), 0, 0, ON_OFF },
	{ "stage0.failure", WORD, FIELD(failure), 0, 0,
	  "panic, reboot, bootloader, poweroff or wait" },
	{ "stage0.failure_delay", COUNT, FIELD(failure_delay), 0, 3600, "0 to 3600 seconds" },
	{ "ostree", TEXT, FIELD(ostree), 0, 0, ANY_TEXT },
	{ "smoo.acm", FLAG, FIELD(acm), 0, 0, ON_OFF },
	{ "smoo.break", FLAG, FIELD(shell), 0, 0, ON_OFF },
	{ "smoo.queue_count", COUNT, FIELD(queue_count), 1, 16, "1 to 16" },
	{ "smoo.queue_depth", COUNT, FIELD(queue_depth), 1, 1024, DEPTH },
	{ "smoo.queue_size", COUNT, FIELD(queue_depth), 1, 1024, DEPTH },
	{ "smoo.max_io_bytes", COUNT, FIELD(max_io_bytes), 4096, 32 << 20, IO_BYTES },
	{ "smoo.max_io", COUNT, FIELD(max_io_bytes), 4096, 32 << 20, IO_BYTES },
	{ "smoo.vendor", ID, FIELD(vendor), 0, 0xffff, USB_ID },
	{ "smoo.vendor_id", ID, FIELD(vendor), 0, 0xffff, USB_ID },
	{ "smoo.product", ID, FIELD(product), 0, 0xffff, USB_ID },
	{ "smoo.product_id", ID, FIELD(product), 0, 0xffff, USB_ID },
	{ "smoo.mimic_fastboot", FLAG, FIELD(mimic_fastboot), 0, 0, ON_OFF },
	{ "smoo.log", WORD, FIELD(log), 0, 0, "error, warn, info, debug or trace" },
	{ "firstboot.locale", TEXT, FIELD(locale), 0, 0, ANY_TEXT },
	{ "firstboot.locale-messages", TEXT, FIELD(locale_messages), 0, 0, ANY_TEXT },
	{ "firstboot.keymap", TEXT, FIELD(keymap), 0, 0, ANY_TEXT },
	{ "firstboot.timezone", TEXT, FIELD(timezone), 0, 0, ANY_TEXT },
};
enum { KEY_COUNT = sizeof(KEYS) / sizeof(KEYS[0]) };

void settings_default(struct settings *settings)
{
	*settings = (struct settings){
		.remove_fstab = true,
		.failure = FAILURE_PANIC,
		.failure_delay = 5,
		.queue_count = 1,
		.queue_depth = 16,
		.max_io_bytes = 256 << 10,
		.vendor = 0xdead,
		.product = 0xbeef,
		.log = LOG_INFO,
	};
}

static const struct key *find_key(const char *name)
{
	for (unsigned i = 0; i < KEY_COUNT; i++) {
		if (strcmp(KEYS[i].name, name) == 0)
			return &KEYS[i];
	}
	return NULL;
}

const char *settings_expected(const char *name)
{
	const struct key *key = find_key(name);

	return key ? key->expected : NULL;
}

static int word_of(const char *const words[], const char *text)
{
	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], text) == 0)
			return i;
	}
	return -EINVAL;
}

static int set_flag(bool *into, const char *text)
{
	static const char *const ON[] = { "1", "true", "yes", "on", NULL };
	static const char *const OFF[] = { "0", "false", "no", "off", NULL };

	*into = word_of(ON, text) >= 0;
	return *into || word_of(OFF, text) >= 0 ? 0 : -EINVAL;
}

static int set_text(char *into, const char *text)
{
	if (strlen(text) >= SETTING_SIZE)
		return -EINVAL;
	for (const char *at = text; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return -EINVAL;
	}
	strcpy(into, text);
	return 0;
}

static int set_number(struct settings *settings, const struct key *key, const char *text)
{
	void *field = (char *)settings + key->field;
	uint64_t value;

	if (!text_number(text, key->most, &value) || value < key->least)
		return -EINVAL;
	if (key->field == FIELD(max_io_bytes) && value % 4096 != 0)
		return -EINVAL;
	if (key->kind == ID)
		*(uint16_t *)field = (uint16_t)value;
	else
		*(uint32_t *)field = (uint32_t)value;
	return 0;
}

static int set_word(struct settings *settings, size_t field, const char *text)
{
	static const enum log_level LEVEL_OF[] = { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG,
						   LOG_DEBUG };
	int word;

	if (field == FIELD(rootfs)) {
		if (word_of(FILE_SYSTEMS, text) < 0)
			return -EINVAL;
		strcpy(settings->rootfs, text);
		return 0;
	}
	if (field == FIELD(failure)) {
		word = word_of(POLICIES, text);
		if (word >= 0)
			settings->failure = (enum failure_policy)word;
		return word < 0 ? word : 0;
	}
	word = word_of(LEVELS, text);
	if (word < 0)
		return word;
	settings->log = LEVEL_OF[word];
	settings->trace = strcmp(text, "trace") == 0;
	return 0;
}

int settings_set(struct settings *settings, const char *name, const char *value)
{
	const struct key *key = find_key(name);
	void *field;

	if (!key)
		return -ENOENT;
	if (!*value)
		value = "1";
	field = (char *)settings + key->field;
	switch (key->kind) {
	case FLAG:
		return set_flag(field, value);
	case COUNT:
	case ID:
		return set_number(settings, key, value);
	case TEXT:
		return set_text(field, value);
	case WORD:
		return set_word(settings, key->field, value);
	}
	return -EINVAL;
}

/* One name of a setting beside another would leave open which counts. */
static int check_one_name(const struct names *files, const struct key *key)
{
	for (unsigned i = 0; i < files->count; i++) {
		const struct key *other = find_key(files->list[i]);

		if (other && other != key && other->field == key->field)
			return because(-EINVAL, "leave one of them out", "%s and %s are one setting",
				       key->name, other->name);
	}
	return 0;
}

static int read_one(struct settings *settings, const char *folder, const struct names *files,
		    const char *name)
{
	const struct key *key = find_key(name);
	char path[PATH_SIZE], value[SETTING_SIZE + 64];
	ssize_t length;
	int result;

	if (!key) {
		log_line(LOG_WARNING, "setting %s is unknown and does nothing", name);
		return 0;
	}
	result = path_format(path, "%s/%s", folder, name);
	if (result < 0)
		return result;
	length = read_text(path, value, sizeof(value));
	if (length < 0)
		return because((int)length, key->expected, "%s", path);
	result = check_one_name(files, key);
	if (result < 0)
		return result;
	if (memchr(value, '\0', (size_t)length) || settings_set(settings, name, value) < 0)
		return because(-EINVAL, "give another value", "%s is \"%s\", expected %s", name, value,
			       key->expected);
	return 0;
}

int settings_read(struct settings *settings, const char *folder)
{
	struct names files;
	int result = list_folder(folder, &files);

	if (result < 0)
		return because(result, "the host writes it into the initramfs", "%s", folder);
	for (unsigned i = 0; i < files.count && result == 0; i++)
		result = read_one(settings, folder, &files, files.list[i]);
	free_names(&files);
	if (result == 0 && !settings->rootfs[0])
		result = because(-ENOENT, "set it to erofs, ext4 or squashfs", "stage0.rootfs");
	return result;
}
