#include "system.h"

#include <errno.h>

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

/* A unit, and who is to want it under which name. */
struct request {
	const char *unit;
	const char *target;
	const char *name;
};

/*
 * Only the name of such a link counts. Whether there is the unit is not looked up: that would be
 * half a dozen ways to the host and back.
 */
static int request(const struct request *request)
{
	char unit[PATH_SIZE], folder[PATH_SIZE], link[PATH_SIZE];
	int result;

	if ((result = path_format(unit, "/usr/lib/systemd/system/%s", request->unit)) < 0 ||
	    (result = path_format(folder, REQUESTS "/%s.wants", request->target)) < 0 ||
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

/* Why this one cannot be started; 0 when it is not there. */
static int cannot_start(const char *path, int error)
{
	struct stat about;
	int result;

	if (!is_absent(error))
		return because(error, "is the image made for this processor?", "%s", path);
	/* A program whose loader is missing looks as if it were missing itself. */
	result = sys_stat(path, &about);
	if (result == 0)
		return because(error, "the program that loads it is missing in the image", "%s", path);
	return is_absent(result) ? 0 : because(result, NULL, "%s", path);
}

int system_exec_init(char *argv[], char *envp[])
{
	static char paths[][32] = { "/lib/systemd/systemd", "/usr/lib/systemd/systemd",
				    "/sbin/init" };

	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int result;

		argv[0] = paths[i];
		result = cannot_start(paths[i], sys_execve(paths[i], argv, envp));
		if (result < 0)
			return result;
	}
	return because(-ENOENT, "is this image a system that boots?",
		       "/lib/systemd/systemd, /usr/lib/systemd/systemd or /sbin/init");
}
