/*
 * Lets each call of a boot fail, one boot each: either the boot ends with a line that says so, or
 * the call is one without which it can go on, as this file lists them.
 */
#include <errno.h>
#include <sys/mman.h>

#include "fake_sys.h"
#include "pid1_test.h"

/* Beginnings of "call object" of calls that may fail. */
static const char *const HARMLESS[] = {
	"close ", /* what was read is there already; files of the kernel are written at once */
	"open /proc/sys/kernel/printk_devkmsg", /* lines may get lost */
	"read /proc/sys/kernel/printk_devkmsg",
	"write /proc/sys/kernel/printk_devkmsg",
	"write /dev/kmsg",   /* the line goes to the console */
	"open /dev/console", /* then /dev/null it is */
	"lstat /",	     /* and so on: the initramfs keeps its memory */
	"getdents /",
	"unlink /",
	"rmdir /",
	"open /",
	"kill ", /* of the framebuffer's process */
	"waitpid ",
	"fork ", /* of the processes for log and framebuffer */
	"sigprocmask restore",
};

static void plain(void)
{
}

static void with_all(void)
{
	fake_ostree();
	fake_setting("smoo.acm", "1\n");
	fake_setting("stage0.fb", "1\n");
	fake_setting("stage0.serial", "");
	fake_setting("firstboot.keymap", "de\n");
}

static void (*change)(void);
static unsigned number;
static int error;

/* What may fail only while the initramfs is deleted must not be excused elsewhere. */
static bool excused(const char *call)
{
	static const char *const ONLY_DELETING[] = { "lstat /", "getdents /", "open /" };
	bool deleting = strstr(fake.mounts, "- / - 44000 -") && !strstr(fake.mounts, "/upper tmpfs");

	for (unsigned i = 0; i < sizeof(ONLY_DELETING) / sizeof(ONLY_DELETING[0]); i++) {
		if (!strncmp(call, ONLY_DELETING[i], strlen(ONLY_DELETING[i])) && !deleting &&
		    !strstr(call, "/dev/console") && !strstr(call, "printk_devkmsg"))
			return false;
	}
	for (unsigned i = 0; i < sizeof(HARMLESS) / sizeof(HARMLESS[0]); i++) {
		if (!strncmp(call, HARMLESS[i], strlen(HARMLESS[i])))
			return true;
	}
	return false;
}

static void fail_one(void)
{
	char expected[64];
	const char *last;

	fake_phone();
	change();
	fake.excuse = excused;
	fake.fail_at = number;
	fake.fail_with = error;
	fake_boot();
	CHECK(fake.failed_call[0], "call %u was not made", number);
	if (fake.ending == FAKE_EXEC) {
		CHECK(fake.failed_excused, "call %u, %s, failed and the boot went on", number,
		      fake.failed_call);
		return;
	}
	CHECK(fake.ending == FAKE_EXIT && fake.status == 1, "call %u, %s: ending %d", number,
	      fake.failed_call, fake.ending);
	last = strstr(fake.console, "stage0: Cannot ");
	CHECK(last, "call %u, %s: no line: %s%s", number, fake.failed_call, fake.console, fake.kmsg);
	snprintf(expected, sizeof(expected), ": %s, ", error == -EIO ? "EIO" : "EINVAL");
	CHECK_HAS(last, expected);
	CHECK_HAS(last, "[kernel panic in 5 s]");
	CHECK(!strstr(last + 1, "stage0: Cannot "), "two lines: %s", last);
}

/* Also in a process of its own: static variables must be as at the start for those that fail. */
static unsigned *calls;

static void count_calls(void)
{
	fake_phone();
	change();
	CHECK(fake_boot() == FAKE_EXEC, "%s", fake.kmsg);
	*calls = fake.calls;
}

static void sweep(void (*with)(void), int with_error)
{
	calls = mmap(NULL, sizeof(*calls), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	change = with;
	error = with_error;
	CHECK(calls != MAP_FAILED && runs_well(count_calls), "see above");
	CHECK(*calls > 300, "%u calls", *calls);
	for (number = 1; number <= *calls; number++)
		CHECK(runs_well(fail_one), "see above");
	printf("# %u calls\n", *calls);
}

static void plain_eio(void)
{
	sweep(plain, -EIO);
}

static void all_eio(void)
{
	sweep(with_all, -EIO);
}

static void all_einval(void)
{
	sweep(with_all, -EINVAL);
}

int main(void)
{
	static const struct test TESTS[] = {
		{ "each call of a plain boot fails with EIO", plain_eio },
		{ "each call of a boot with OSTree, serial console and all else fails with EIO",
		  all_eio },
		{ "each call of it fails with EINVAL", all_einval },
	};

	return run_tests(TESTS, sizeof(TESTS) / sizeof(TESTS[0]));
}
