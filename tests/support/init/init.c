/*
 * PID 1 for tests: says what an initramfs holds and loads its modules, strictly in the order of the
 * list, without looking after dependencies: a list in the wrong order fails. Every line goes to the
 * console in one piece:
 *
 *     init: start                 first
 *     release R                   of the kernel
 *     cmdline TEXT                of the kernel
 *     list NAME                   each line of the list, in its order
 *     loaded NAME                 or FAILED NAME errno N, in the order of loading
 *     running NAME                each module of /proc/modules, the last one loaded first
 *     filesystem NAME             each that the kernel knows
 *     setting KEY=VALUE           each file in /etc/stage0, without the newline at its end
 *     FAILED to WHAT errno N      any other step
 *     kernel: <LEVEL>TEXT         what the kernel logged meanwhile: errors, and after a failure all
 *     init: done                  last, also after failures; then the machine is powered off
 */
#include "sys.h"

#define LIST_FOLDER "/etc/modules-load.d"
#define SETTINGS_FOLDER "/etc/stage0"
#define MODULES_FOLDER "/lib/modules"

enum {
	PATH_MAX = 4096, LINE_MAX = 2048, LIST_MAX = 1 << 16, INDEX_MAX = 1 << 21, LOG_MAX = 1 << 16,
	MAX_DEPTH = 12, CONSOLE_LEVEL_EMERGENCIES = 1,
	LOG_LEVEL_MASK = 7, LOG_LEVEL_ERROR = 3,
};

/* Buffers are here for their size: the text of all lists, of modules.dep, of one file. */
static char list[LIST_MAX], index_text[INDEX_MAX], file_text[LOG_MAX], value[LINE_MAX];
static char modules_folder[PATH_MAX];
static int failures;

/* The compiler may call these two. */
void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((volatile char *)to)[i] = ((const char *)from)[i];
	return to;
}

void *memset(void *to, int byte, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((volatile char *)to)[i] = (char)byte;
	return to;
}

static size_t length(const char *text)
{
	size_t size = 0;
	while (text[size] != '\0')
		size++;
	return size;
}

/* Appends at `at`, cut at `limit`; returns the new end. There is always a zero behind it. */
static size_t append(char *into, size_t limit, size_t at, const char *text, size_t size)
{
	for (size_t i = 0; i < size && at + 1 < limit; i++)
		into[at++] = text[i];
	into[at] = '\0';
	return at;
}

/* One line in one write: the kernel's own messages then come before or after it. */
static void say(const char *before, const char *text, size_t size, const char *after)
{
	char line[LINE_MAX];
	size_t at = append(line, sizeof(line) - 1, 0, before, length(before));

	at = append(line, sizeof(line) - 1, at, text, size);
	at = append(line, sizeof(line) - 1, at, after, length(after));
	line[at++] = '\n';
	for (size_t done = 0; done < at;) {
		ssize_t count = sys_write(1, line + done, at - done);
		if (count <= 0)
			return;
		done += (size_t)count;
	}
}

static void say_failed(const char *to, const char *what, size_t size, long error)
{
	char after[32] = " errno ";
	char digits[20];
	size_t at = length(after), count = 0;

	for (unsigned long rest = (unsigned long)-error; rest > 0 || count == 0; rest /= 10)
		digits[count++] = (char)('0' + rest % 10);
	while (count > 0)
		after[at++] = digits[--count];
	after[at] = '\0';
	say(to, what, size, after);
	failures++;
}

/* A step that must not fail. */
static void step(const char *what, long result)
{
	if (result < 0)
		say_failed("FAILED to ", what, length(what), result);
}

/* Reads a whole file and puts a zero behind it; returns its size or the negative errno. */
static ssize_t read_file(const char *path, char *into, size_t limit)
{
	int fd = sys_open(path, O_RDONLY);
	size_t size = 0;
	ssize_t count = 0;

	if (fd < 0)
		return fd;
	while (size < limit - 1 && (count = sys_read(fd, into + size, limit - 1 - size)) > 0)
		size += (size_t)count;
	sys_close(fd);
	into[size] = '\0';
	return count < 0 ? count : (ssize_t)size;
}

/* The next line of `*text` without its newline and blanks about it; null after the last. */
static const char *next_line(const char **text, size_t *size)
{
	const char *start = *text, *end;

	if (*start == '\0')
		return 0;
	while (*start == ' ' || *start == '\t')
		start++;
	for (end = start; *end != '\0' && *end != '\n';)
		end++;
	*text = *end == '\0' ? end : end + 1;
	while (end > start && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	*size = (size_t)(end - start);
	return start;
}

static char folded(char letter) { return letter == '-' ? '_' : letter; }

/* Whether the last part of a path is the file of a module: NAME.ko, or that and .xz and the like. */
static int is_file_of(const char *path, size_t size, const char *name, size_t name_size)
{
	size_t start = size;

	while (start > 0 && path[start - 1] != '/')
		start--;
	path += start;
	size -= start;
	if (size < name_size + 3)
		return 0;
	for (size_t i = 0; i < name_size; i++)
		if (folded(path[i]) != folded(name[i]))
			return 0;
	path += name_size;
	size -= name_size;
	return path[0] == '.' && path[1] == 'k' && path[2] == 'o' && (size == 3 || path[3] == '.');
}

/* Calls `visit` for every name in a folder; ends when it returns other than 0, and returns that. */
static int each_name(const char *folder, int (*visit)(const char *path, unsigned char type, void *of),
                     void *of)
{
	_Alignas(8) char names[2048];
	char path[PATH_MAX];
	size_t base = append(path, sizeof(path), 0, folder, length(folder));
	int fd = sys_open(folder, O_RDONLY), result = 0;
	ssize_t size;

	if (fd < 0)
		return fd;
	base = append(path, sizeof(path), base, "/", 1);
	while (result == 0 && (size = sys_list(fd, names, sizeof(names))) > 0) {
		for (ssize_t at = 0; at < size && result == 0;) {
			const struct dirent64 *entry = (const void *)(names + at);
			append(path, sizeof(path), base, entry->name, length(entry->name));
			if (entry->name[0] != '.')
				result = visit(path, entry->type, of);
			at += entry->size;
		}
	}
	sys_close(fd);
	return result;
}

struct search {
	const char *name;
	size_t size;
	char *path; /* PATH_MAX bytes for what is found */
	int depth;
};

enum { FOUND = 1, TYPE_DIRECTORY = 4 };

static int visit_module(const char *path, unsigned char type, void *of)
{
	struct search *search = of;
	int result = 0;

	if (type == TYPE_DIRECTORY && search->depth < MAX_DEPTH) {
		search->depth++;
		result = each_name(path, visit_module, search);
		search->depth--;
	} else if (is_file_of(path, length(path), search->name, search->size)) {
		append(search->path, PATH_MAX, 0, path, length(path));
		result = FOUND;
	}
	return result;
}

/* The file of a module: as modules.dep says, or where there is no such index, as the tree does. */
static int find_module(const char *name, size_t size, char *path)
{
	const char *text = index_text, *line;
	size_t line_size, at;
	struct search search = {name, size, path, 0};
	int result;

	while ((line = next_line(&text, &line_size)) != 0) {
		size_t file_size = 0;
		while (file_size < line_size && line[file_size] != ':')
			file_size++;
		if (!is_file_of(line, file_size, name, size))
			continue;
		at = append(path, PATH_MAX, 0, modules_folder, length(modules_folder));
		at = append(path, PATH_MAX, at, "/", 1);
		append(path, PATH_MAX, at, line, file_size);
		return 0;
	}
	if (index_text[0] != '\0')
		return -ENOENT;
	result = each_name(modules_folder, visit_module, &search);
	return result == FOUND ? 0 : result < 0 ? result : -ENOENT;
}

static int load_module(const char *name, size_t size)
{
	char path[PATH_MAX];
	int result = find_module(name, size, path), fd;
	size_t end;

	if (result < 0)
		return result;
	fd = sys_open(path, O_RDONLY);
	if (fd < 0)
		return fd;
	end = length(path);
	result = sys_load_module(fd, "", path[end - 1] == 'o' ? 0 : MODULE_INIT_COMPRESSED_FILE);
	sys_close(fd);
	return result;
}

/* Puts the text of all lists one behind the other into `list`. */
static int visit_list(const char *path, unsigned char type, void *of)
{
	size_t *size = of;
	ssize_t count = read_file(path, list + *size, LIST_MAX - *size);

	(void)type;
	step(path, count);
	if (count > 0)
		*size += (size_t)count;
	return 0;
}

static void each_listed(void (*visit)(const char *name, size_t size))
{
	const char *text = list, *line;
	size_t size;

	while ((line = next_line(&text, &size)) != 0)
		if (size > 0 && line[0] != '#')
			visit(line, size);
}

static void say_listed(const char *name, size_t size) { say("list ", name, size, ""); }

static void load_listed(const char *name, size_t size)
{
	int result = load_module(name, size);

	if (result < 0)
		say_failed("FAILED ", name, size, result);
	else
		say("loaded ", name, size, "");
}

/* Says the first word of each line, or the last one. */
static void say_words(const char *path, const char *before, int last)
{
	const char *text = file_text, *line;
	size_t size;

	step(path, read_file(path, file_text, sizeof(file_text)));
	while ((line = next_line(&text, &size)) != 0) {
		size_t start = 0, end;
		while (last && start < size && line[start] != '\t')
			start++;
		start = start < size && last ? start + 1 : 0;
		for (end = start; end < size && line[end] != ' ';)
			end++;
		say(before, line + start, end - start, "");
	}
}

static int visit_setting(const char *path, unsigned char type, void *of)
{
	char line[LINE_MAX];
	size_t at = append(line, sizeof(line), 0, path + sizeof(SETTINGS_FOLDER),
	                   length(path) - sizeof(SETTINGS_FOLDER));
	ssize_t size = read_file(path, value, sizeof(value));

	(void)type;
	(void)of;
	step(path, size);
	if (size > 0 && value[size - 1] == '\n')
		size--;
	at = append(line, sizeof(line), at, "=", 1);
	at = append(line, sizeof(line), at, value, size > 0 ? (size_t)size : 0);
	say("setting ", line, at, "");
	return 0;
}

/* Whether a line of the log, `<N>...`, is of an error or worse. */
static int is_error(const char *line)
{
	unsigned number = 0;

	for (line++; *line >= '0' && *line <= '9'; line++)
		number = number * 10 + (unsigned)(*line - '0');
	return (number & LOG_LEVEL_MASK) <= LOG_LEVEL_ERROR;
}

/* What the kernel logged since it was quieted. */
static void say_kernel_log(void)
{
	ssize_t size = sys_log(SYSLOG_ACTION_READ_ALL, file_text, sizeof(file_text) - 1);
	const char *text = file_text, *line;
	size_t line_size;

	if (size <= 0)
		return;
	file_text[size] = '\0';
	while ((line = next_line(&text, &line_size)) != 0)
		if (failures > 0 || is_error(line))
			say("kernel: ", line, line_size, "");
}

static void mount_at(const char *type, const char *on)
{
	int result = sys_mkdir(on);

	if (result != -EEXIST)
		step(on, result);
	step(on, sys_mount(type, on));
}

static void open_console(void)
{
	int fd = sys_open("/dev/console", O_RDWR);

	for (int as = 0; fd >= 0 && as < 3; as++)
		if (as != fd)
			sys_dup(fd, as);
}

__attribute__((used, noreturn)) void run(void)
{
	struct utsname uname;
	size_t size = 0, at;
	ssize_t count;

	mount_at("devtmpfs", "/dev");
	open_console();
	say("init: start", "", 0, "");
	step("be the first process", sys_getpid() == 1 ? 0 : -EEXIST);
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	step("quiet the kernel", sys_log(SYSLOG_ACTION_CONSOLE_LEVEL, 0, CONSOLE_LEVEL_EMERGENCIES));
	step("forget the kernel's log", sys_log(SYSLOG_ACTION_CLEAR, 0, 0));

	step("read the kernel's release", sys_uname(&uname));
	say("release ", uname.release, length(uname.release), "");
	step("read /proc/cmdline", count = read_file("/proc/cmdline", value, sizeof(value)));
	say("cmdline ", value, count > 0 ? (size_t)count - 1 : 0, "");

	at = append(modules_folder, PATH_MAX, 0, MODULES_FOLDER "/", sizeof(MODULES_FOLDER));
	at = append(modules_folder, PATH_MAX, at, uname.release, length(uname.release));
	at = append(value, sizeof(value), 0, modules_folder, at);
	append(value, sizeof(value), at, "/modules.dep", sizeof("/modules.dep") - 1);
	count = read_file(value, index_text, sizeof(index_text));
	if (count != -ENOENT)
		step("read modules.dep", count);

	step("read " LIST_FOLDER, each_name(LIST_FOLDER, visit_list, &size));
	each_listed(say_listed);
	each_listed(load_listed);

	say_words("/proc/modules", "running ", 0);
	say_words("/proc/filesystems", "filesystem ", 1);
	step("read " SETTINGS_FOLDER, each_name(SETTINGS_FOLDER, visit_setting, 0));
	say_kernel_log();
	say("init: done", "", 0, "");
	sys_power_off();
	for (;;)
		;
}
