/*
 * The calls of sys.h on a phone in memory. Every call is counted, and one of them can be made to
 * fail. A boot ends in fake_end() by a jump back to where fake_boot() was called.
 */
#ifndef FAKE_SYS_H
#define FAKE_SYS_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fake_tree.h"
#include "gadget.h"

/* How a boot came to its end. */
enum fake_ending { FAKE_NONE, FAKE_EXEC, FAKE_EXIT, FAKE_REBOOT, FAKE_WAITS, FAKE_HANG };

/* What happens while PID 1 waits, one after the other. */
struct fake_event {
	enum {
		EVENT_END, /* of the list */
		EVENT_NEWS,
		EVENT_UDC,	  /* a controller appears */
		EVENT_UEVENT,	  /* of something else */
		EVENT_GADGET_DIES, /* with wait status `status` */
		EVENT_HANDOFF, /* as the watching process sees it */
		EVENT_OTHER_DIES, /* a child that is not ours */
	} what;
	struct gadget_news news;
	int status;
};

struct fake {
	/* The phone; set by fake_phone(), changed by tests. */
	struct filesystem initramfs_type, image_type;
	struct node *initramfs;
	struct node *image;	       /* what the host serves */
	struct node *devices;	       /* devtmpfs */
	struct node *kernel;	       /* proc */
	struct node *sys;
	const char *image_kind;	       /* file system of the image */
	bool udc_at_once;	       /* the controller is there with its module */
	const struct fake_event *events;
	const char *module_that_fails;
	int module_error;
	pid_t pid; /* ours */
	long root_type; /* what statfs says of "/" */

	/* Failing. */
	unsigned fail_at; /* number of the call, from 1; 0 is none */
	int fail_with;	  /* negative errno */
	char failed_call[160];
	bool (*excuse)(const char *call); /* may it fail, at this point of the boot? */
	bool failed_excused;

	/* What happened. */
	unsigned calls;
	enum fake_ending ending;
	int status;	       /* of exit or reboot */
	char exec_path[128];
	char exec_arguments[256];
	char exec_environment[256];
	char reboot_argument[32];
	uint64_t now_ns, slept_ms;
	char kmsg[65536];      /* all that was written to the log */
	char console[8192];
	char modules[2048];    /* names in the order of loading, a space behind each */
	char mounts[8192];     /* "SOURCE TARGET TYPE FLAGS DATA" a line */
	char udc[64];	       /* what the gadget was bound to */
	unsigned forks;
	const struct fake_event *events_of_child;
	unsigned child_of_fork; /* go on as the child of this one, from 1 */
	pid_t killed;	       /* by SIGKILL */
	struct place place;
	jmp_buf back;
};

extern struct fake fake;

/* Forgets files and processes of an earlier boot. */
void fake_reset_files(void);
void fake_reset_processes(void);

/* A phone of Debian with an erofs image; all runs well. */
void fake_phone(void);

/* The image becomes one of OSTree, and the setting names its deployment. */
void fake_ostree(void);

/* A setting in the initramfs. */
void fake_setting(const char *key, const char *value);

/* Runs main() of stage0 until it ends. */
enum fake_ending fake_boot(void);

/* Writes to one of the texts of `fake`. */
void fake_append(char *into, size_t size, const char *from, size_t length);

_Noreturn void fake_end(enum fake_ending ending, int status);

/* For fake_sys.c: gives a mount its tree, or a negative errno. */
struct node *fake_mount_tree(const char *source, const char *type, const char *data, int *error);

#endif
