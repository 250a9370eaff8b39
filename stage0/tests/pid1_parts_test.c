/* The pure parts of the first process; where the C library has the same, it says what is right. */
#include <errno.h>
#include <stdint.h>

#include "drm_abi.h"
#include "fake_sys.h"
#include "files.h"
#include "kmsg_tty.h"
#include "machine_id.h"
#include "module_index.h"
#include "pid1_test.h"
#include "settings.h"
#include "text.h"

#define SAME(size, ...)                                                                            \
	do {                                                                                       \
		char ours[80], theirs[80];                                                         \
		memset(ours, '#', sizeof(ours));                                                   \
		memset(theirs, '#', sizeof(theirs));                                               \
		size_t a = text_format(ours, size, __VA_ARGS__);                                   \
		size_t b = (size_t)snprintf(theirs, size, __VA_ARGS__);                            \
		CHECK(a == b && !memcmp(ours, theirs, sizeof(ours)), "%zu %zu %.79s", a, b, ours); \
	} while (0)

static void format(void)
{
	SAME(80, "plain");
	SAME(80, "%s %c%%", "text", 'x');
	SAME(80, "%d %d %d", 0, -1, INT32_MIN);
	SAME(80, "%u %x %08x %02x %5u", 4294967295u, 0xbeefu, 0xabu, 0x123u, 42u);
	SAME(80, "%lu %lx %ld", UINT64_MAX, UINT64_MAX, INT64_MIN);
	SAME(80, "%zu %zd %06lu", (size_t)7, (ssize_t)-7, 12ul);
	SAME(10, "%s", "0123456789");
	SAME(11, "%s", "0123456789");
	SAME(1, "%d", 12345);
	SAME(0, "%d", 12345);
}

static void format_more(void)
{
	char text[40];

	text_format(text, sizeof(text), "%s %e %e %e", NULL, -ENOENT, EIO, -9999);
	CHECK(!strcmp(text, "(none) ENOENT EIO 9999"), "%s", text);
	text_format(text, sizeof(text), "%q%");
	CHECK(!strcmp(text, "q"), "%s", text);
}

static void errors(void)
{
	for (int number = -140; number < 140; number++)
		CHECK(errno_name(number) && errno_meaning(number), "%d", number);
	for (int number = 1; number < 134; number++) {
		const char *theirs = strerrorname_np(number);

		if (errno_name(number)[0] == 'E')
			CHECK(theirs && !strcmp(errno_name(-number), theirs), "%d", number);
	}
}

static void numbers(void)
{
	static const struct {
		const char *text;
		uint64_t most, value;
		int good;
	} CASES[] = {
		{ "0", 0, 0, 1 },
		{ "1", 0, 0, 0 },
		{ "65535", 65535, 65535, 1 },
		{ "65536", 65535, 0, 0 },
		{ "0x10", 16, 16, 1 },
		{ "0XfF", 255, 255, 1 },
		{ "0x", 255, 0, 0 },
		{ "", 255, 0, 0 },
		{ "-1", 255, 0, 0 },
		{ "1 ", 255, 0, 0 },
		{ "1a", 255, 0, 0 },
		{ "18446744073709551615", UINT64_MAX, UINT64_MAX, 1 },
		{ "18446744073709551616", UINT64_MAX, 0, 0 },
		{ "0x10000000000000000", UINT64_MAX, 0, 0 },
		{ "000000000000000000000000000012", 12, 12, 1 },
	};

	for (unsigned i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		uint64_t value = 0;
		int good = text_number(CASES[i].text, CASES[i].most, &value);

		CHECK(good == CASES[i].good && value == CASES[i].value, "%s", CASES[i].text);
	}
}

static void machine_ids(void)
{
	char id[MACHINE_ID_SIZE];

	machine_id("0", id);
	CHECK(!strcmp(id, "e01b5025c746d8ace01b5125c746da5f"), "%s", id);
	machine_id("deadbeef", id);
	CHECK(!strcmp(id, "1880dc546dadb9801880dd546dadbb33"), "%s", id);
	machine_id("0123456789ABCDEF", id);
	CHECK(!strcmp(id, "e8266b15a807b5e0e8266c15a807b793"), "%s", id);
}

static const char *line_of(const char *record)
{
	static char line[100];
	size_t length = kmsg_format(line, sizeof(line) - 1, record, strlen(record));

	line[length] = '\0';
	return line;
}

static void kmsg(void)
{
	CHECK(!strcmp(line_of("6,339,5140900,-;stage0: started\n"),
		      "[    5.140900] stage0: started\r\n"),
	      "%s", line_of("6,339,5140900,-;stage0: started\n"));
	CHECK(!strcmp(line_of("30,4,99999000001,c,x=y;a;b\n SUBSYSTEM=usb\n DEVICE=+usb:1\n"),
		      "[99999.000001] a;b\r\n"),
	      " ");
	CHECK(!strcmp(line_of("6,1,2,-;no end"), "[    0.000002] no end\r\n"), " ");
	CHECK(!strcmp(line_of(" SUBSYSTEM=usb\n"), ""), " ");
	CHECK(!strcmp(line_of("6,1,2,-"), ""), " ");
	CHECK(!strcmp(line_of("6,1,99999999999999999999,-;x"), ""), " ");
	CHECK(!strcmp(line_of(""), ""), " ");
}

static void index_names(void)
{
	char text[] = "kernel/a-b.ko: kernel/c.ko.xz\tkernel/d.ko\r\n\nkernel/c.ko.xz:\nk.o:";
	char word[12];
	const char *needs;
	struct module_index index;

	CHECK(module_index_parse(&index, text) == 0 && index.count == 3, "%u", index.count);
	CHECK(module_index_find(&index, "a_b") == &index.list[0], " ");
	CHECK(module_index_find(&index, "other/a-b.ko.zst") == &index.list[0], " ");
	CHECK(module_index_find(&index, "c") == &index.list[1], " ");
	CHECK(!module_index_find(&index, "a") && !module_index_find(&index, ""), " ");
	needs = index.list[0].needs;
	CHECK(module_next_word(&needs, word, sizeof(word)) && !strcmp(word, "kernel/c.ko"), "%s", word);
	CHECK(module_next_word(&needs, word, sizeof(word)) && !strcmp(word, "kernel/d.ko"), "%s", word);
	CHECK(!module_next_word(&needs, word, sizeof(word)), "%s", word);
	CHECK(module_is_compressed("x.ko.xz") && !module_is_compressed("x.ko"), " ");
	module_index_free(&index);
}

static void list_names(void)
{
	char text[] = "# comment\n  a-b \r\n;c\n\n\td";
	char *at = text, *name = module_next_name(&at);

	CHECK(name && !strcmp(name, "a-b"), "%s", name);
	name = module_next_name(&at);
	CHECK(name && !strcmp(name, "d"), "%s", name);
	CHECK(!module_next_name(&at), " ");
}

static void setting_values(void)
{
	struct settings settings;

	settings_default(&settings);
	CHECK(settings_set(&settings, "smoo.queue_depth", "0x20") == 0 && settings.queue_depth == 32,
	      "%u", settings.queue_depth);
	CHECK(settings_set(&settings, "smoo.max_io", "33554432") == 0, " ");
	CHECK(settings_set(&settings, "smoo.log", "trace") == 0 && settings.trace &&
		      settings.log == LOG_DEBUG,
	      " ");
	CHECK(settings_set(&settings, "smoo.log", "error") == 0 && settings.log == LOG_ERROR, " ");
	CHECK(settings_set(&settings, "stage0.serial", "") == 0 && !strcmp(settings.serial, "1"), " ");
	CHECK(settings_set(&settings, "stage0.fb", "no") == 0 && !settings.framebuffer, " ");
	CHECK(settings_set(&settings, "nothing", "1") == -ENOENT, " ");
	CHECK(!settings_expected("nothing") && settings_expected("ostree"), " ");
}

static void paths(void)
{
	static char longest[PATH_SIZE], into[PATH_SIZE];

	memset(longest, 'x', sizeof(longest) - 1);
	CHECK(path_format(into, "%s", longest) == 0, " ");
	CHECK(path_format(into, "/%s", longest) == -ENAMETOOLONG, " ");
}

static void drm(void)
{
	CHECK(DRM_IOCTL_MODE_GETRESOURCES == 0xc04064a0 && DRM_IOCTL_MODE_SETCRTC == 0xc06864a2 &&
		      DRM_IOCTL_MODE_GETCONNECTOR == 0xc05064a7 &&
		      DRM_IOCTL_MODE_ADDFB == 0xc01c64ae &&
		      DRM_IOCTL_MODE_CREATE_DUMB == 0xc02064b2 &&
		      DRM_IOCTL_MODE_MAP_DUMB == 0xc01064b3,
	      "as strace(1) has them");
}

int main(void)
{
	static const struct test TESTS[] = {
		{ "text_format() writes and counts as snprintf(3)", format },
		{ "text_format() names errors and takes no text", format_more },
		{ "names of errors are those of the C library", errors },
		{ "text_number() takes whole numbers up to a limit", numbers },
		{ "machine_id() gives the documented ids", machine_ids },
		{ "kmsg_format() makes lines of records", kmsg },
		{ "modules.dep leads from names to files", index_names },
		{ "lists of modules have comments and blank lines", list_names },
		{ "settings_set() takes each kind of value", setting_values },
		{ "path_format() refuses what is too long", paths },
		{ "the calls for the display have the kernel's numbers", drm },
	};

	return run_tests(TESTS, sizeof(TESTS) / sizeof(TESTS[0]));
}
