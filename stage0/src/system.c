#include "system.h"

#include <errno.h>
#include <stddef.h>

#include "files.h"
#include "log.h"
#include "sys.h"

#define REQUESTS "/run/systemd/system"

/* Is it what looking for something that is not there gives? */
static bool is_absent(int error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -ELOOP;
}

int system_remove_fstab(void)
{
	int result = sys_unlink("/etc/fstab");

	if (result < 0 && !is_absent(result))
		return because(result, NULL, "/etc/fstab");
	return 0;
}

/* A unit, where distributions have it, and who is to want it under which name. */
struct request {
	const char *unit;
	const char *target;
	const char *name;
};

/* Path of a unit in the image; -ENOENT when it has none. */
static int find_unit(char path[PATH_SIZE], const char *unit)
{
	static const char *const FOLDERS[] = { "/etc/systemd/system", "/usr/lib/systemd/system",
					       "/lib/systemd/system" };
	struct stat about;

	for (unsigned i = 0; i < sizeof(FOLDERS) / sizeof(FOLDERS[0]); i++) {
		int result = path_format(path, "%s/%s", FOLDERS[i], unit);

		if (result == 0)
			result = sys_stat(path, &about);
		if (result == 0)
			return 0;
		if (!is_absent(result))
			return because(result, NULL, "%s", path);
	}
	return -ENOENT;
}

static int request(const struct request *request)
{
	char unit[PATH_SIZE], folder[PATH_SIZE], link[PATH_SIZE];
	int result = find_unit(unit, request->unit);

	if (result < 0)
		return result == -ENOENT ? 0 : result;
	if ((result = path_format(folder, REQUESTS "/%s.wants", request->target)) < 0 ||
	    (result = make_folder(folder, 0755)) < 0 ||
	    (result = path_format(link, "%s/%s", folder, request->name)) < 0)
		return because(result, NULL, "%s", folder);
	result = sys_symlink(unit, link);
	return result < 0 ? because(result, NULL, "%s", link) : 0;
}

int system_request_units(const struct settings *settings)
{
	static const struct request GETTY = { "serial-getty@.service", "getty.target",
					      "serial-getty@ttyGS0.service" };
	static const struct request SPLASH[] = {
		{ "plymouth-start.service", "sysinit.target", "plymouth-start.service" },
		{ "plymouth-read-write.service", "sysinit.target", "plymouth-read-write.service" },
	};
	int result;

	if ((result = make_folder("/run/systemd", 0755)) < 0 ||
	    (result = make_folder(REQUESTS, 0755)) < 0)
		return because(result, NULL, REQUESTS);
	for (unsigned i = 0; i < 2 && result == 0; i++)
		result = request(&SPLASH[i]);
	if (result == 0 && settings->acm)
		result = request(&GETTY);
	return result;
}

int system_find_init(const char **path)
{
	static const char *const CANDIDATES[] = { "/lib/systemd/systemd", "/usr/lib/systemd/systemd",
						  "/sbin/init" };
	struct stat about;

	for (unsigned i = 0; i < sizeof(CANDIDATES) / sizeof(CANDIDATES[0]); i++) {
		int result = sys_stat(CANDIDATES[i], &about);

		*path = CANDIDATES[i];
		if (result == 0)
			return 0;
		if (!is_absent(result))
			return because(result, NULL, "%s", CANDIDATES[i]);
	}
	return because(-ENOENT, "is this image a system that boots?",
		       "/lib/systemd/systemd, /usr/lib/systemd/systemd or /sbin/init");
}
