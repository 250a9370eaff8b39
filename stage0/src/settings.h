/* What the host tells stage0: a file for each setting in /etc/stage0, its value and a line end. */
#ifndef STAGE0_SETTINGS_H
#define STAGE0_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"
#include "log.h"

enum { SETTING_SIZE = 1024 }; /* bytes of a value with its NUL */

/* Empty texts are settings that are not there. */
struct settings {
	char rootfs[16];           /* "erofs", "ext4" or "squashfs" */
	char serial[SETTING_SIZE]; /* of the phone: seed of the machine id, serial of the gadget */
	bool remove_fstab;
	bool framebuffer;
	char ostree[SETTING_SIZE]; /* link to the deployment */
	enum failure_policy failure;
	unsigned failure_delay; /* seconds */

	bool acm; /* a serial console over USB */
	bool shell; /* what we do not have */
	unsigned queue_count;
	unsigned queue_depth;
	uint32_t max_io_bytes;
	uint16_t vendor;
	uint16_t product;
	bool mimic_fastboot;
	enum log_level log;
	bool trace;

	char locale[SETTING_SIZE];
	char locale_messages[SETTING_SIZE];
	char keymap[SETTING_SIZE];
	char timezone[SETTING_SIZE];
};

/* What counts without any file. */
void settings_default(struct settings *settings);

/*
 * Takes one setting. White space around `value` is gone already; an empty one is "1".
 *
 * @return 0, -ENOENT for a key that stage0 does not know, -EINVAL for a value it does not take.
 */
int settings_set(struct settings *settings, const char *key, const char *value);

/* Words for what settings_set() takes for this key; NULL for an unknown one. */
const char *settings_expected(const char *key);

/*
 * Reads all files of `folder`. An unknown key is a warning, all else that is wrong a failure: a
 * value that is none, two names of one setting, no root file system.
 */
int settings_read(struct settings *settings, const char *folder);

#endif
