#include "ostree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "failure.h"
#include "switch_root.h"
#include "sys.h"
#include "text.h"

#define DEPLOYMENT_FOLDER "/run/fastboop-stage0-root"

static const char LINK_FORM[] = "expected a link as /ostree/boot.1/OS/CHECKSUM/0";
static const char TARGET_FORM[] = "expected it to lead to /ostree/deploy/OS/deploy/NAME";

/* `link` without a root, "." and doubled slashes, behind what is in `path` already. */
static int append_components(char path[PATH_SIZE], const char *link)
{
	size_t length = strlen(path), start = length;

	while (*link) {
		size_t part = strcspn(link, "/");

		if (part == 2 && memcmp(link, "..", 2) == 0)
			return because(-EINVAL, LINK_FORM, "\"..\" in the setting ostree");
		if (part > 0 && !(part == 1 && *link == '.')) {
			if (length + part + 2 > PATH_SIZE)
				return because(-ENAMETOOLONG, LINK_FORM, "the setting ostree");
			path[length++] = '/';
			memcpy(path + length, link, part);
			length += part;
			path[length] = '\0';
		}
		link += part;
		link += *link == '/';
	}
	return length > start ? 0 : because(-EINVAL, LINK_FORM, "the setting ostree names nothing");
}

/* Where a folder really is, without links. */
static int real_path(const char *path, char into[PATH_SIZE])
{
	char proc[32];
	ssize_t length;
	int fd = sys_open(path, O_PATH | O_DIRECTORY, 0);

	if (fd < 0)
		return fd;
	text_format(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	length = sys_readlink(proc, into, PATH_SIZE);
	sys_close(fd);
	if (length < 0)
		return (int)length;
	if (length >= PATH_SIZE)
		return -ENAMETOOLONG;
	into[length] = '\0';
	return 0;
}

/* Next component of a path as /a/b; its length, or 0 at the end. */
static size_t next_component(const char **path)
{
	if (**path != '/')
		return 0;
	*path += 1;
	return strcspn(*path, "/");
}

/* Is it /ostree/deploy/OS/deploy/NAME? Then gives the length up to OS. */
static size_t state_root_length(const char *path)
{
	static const char *const PARTS[] = { "ostree", "deploy", NULL, "deploy", NULL };
	const char *at = path;
	size_t state_root = 0;

	for (unsigned i = 0; i < 5; i++) {
		size_t length = next_component(&at);

		if (length == 0)
			return 0;
		if (PARTS[i] && (length != strlen(PARTS[i]) || memcmp(at, PARTS[i], length) != 0))
			return 0;
		at += length;
		if (i == 2)
			state_root = (size_t)(at - path);
	}
	return *at ? 0 : state_root;
}

static int follow_link(const char *link, const char *image, char root[PATH_SIZE])
{
	char real[PATH_SIZE];
	size_t image_length = strlen(image);
	struct stat about;
	int result = sys_lstat(link, &about);

	if (result < 0)
		return because(result, LINK_FORM, "%s", link + image_length);
	if (!S_ISLNK(about.st_mode))
		return because(-EINVAL, LINK_FORM, "%s is no link", link + image_length);
	result = real_path(link, real);
	if (result < 0)
		return because(result, TARGET_FORM, "the folder that %s leads to",
			       link + image_length);
	if (strncmp(real, image, image_length) != 0 || real[image_length] != '/')
		return because(-EXDEV, TARGET_FORM, "%s leads out of the image, to %s",
			       link + image_length, real);
	return path_format(root, "%s", real + image_length);
}

/* As a booted system would have it: the kernels' folder is one of the image, not of the deployment. */
static int check_boot(struct deployment *deployment, const char *image)
{
	char path[PATH_SIZE];
	struct stat about;
	int result = path_format(path, "%s/boot/loader", image);

	deployment->bind_boot = false;
	if (result < 0)
		return result;
	result = sys_lstat(path, &about);
	if (result == -ENOENT || result == -ENOTDIR || (result == 0 && !S_ISLNK(about.st_mode)))
		return 0;
	if (result < 0)
		return because(result, NULL, "%s", path);
	result = path_format(path, "%s%s/boot", image, deployment->root);
	if (result == 0)
		result = is_folder(path);
	deployment->bind_boot = result == 0;
	return result == -ENOENT || result == -ENOTDIR ? 0 : result;
}

int ostree_resolve(struct deployment *deployment, const char *image, const char *link)
{
	char path[PATH_SIZE];
	size_t state_root;
	int result;

	if ((result = path_format(path, "%s", image)) < 0 ||
	    (result = append_components(path, link)) < 0 ||
	    (result = follow_link(path, image, deployment->root)) < 0)
		return result;
	state_root = state_root_length(deployment->root);
	if (state_root == 0)
		return because(-EINVAL, TARGET_FORM, "%s leads to %s", link, deployment->root);
	memcpy(deployment->var, deployment->root, state_root);
	memcpy(deployment->var + state_root, "/var", 5);
	if ((result = path_format(path, "%s%s", image, deployment->var)) < 0 ||
	    (result = is_folder(path)) < 0)
		return because(result, "the image's state root is incomplete", "%s",
			       deployment->var);
	return check_boot(deployment, image);
}

static int bind_into(const char *source, const struct deployment *deployment, const char *name)
{
	char path[PATH_SIZE];
	int result = path_format(path, "%s%s", deployment->root, name);

	if (result == 0)
		result = is_folder(path);
	if (result == 0)
		result = sys_mount(source, path, NULL, MS_BIND, NULL);
	return result < 0 ? because(result, NULL, "%s on %s", source, path) : 0;
}

static int bind_parts(const struct deployment *deployment)
{
	char sysroot[PATH_SIZE];
	int result = path_format(sysroot, "%s/sysroot", deployment->root);

	if (result == 0)
		result = make_folder(sysroot, 0755);
	if (result < 0)
		return because(result, NULL, "%s", sysroot);
	if ((result = bind_into("/", deployment, "/sysroot")) < 0 ||
	    (result = bind_into(deployment->var, deployment, "/var")) < 0)
		return result;
	if (deployment->bind_boot && (result = bind_into("/boot", deployment, "/boot")) < 0)
		return result;
	result = sys_mount(NULL, sysroot, NULL, MS_PRIVATE, NULL);
	return result < 0 ? because(result, NULL, "%s as private", sysroot) : 0;
}

/* A mount of its own, since only such a one can become the root. */
static int make_root(const struct deployment *deployment)
{
	int result;

	if ((result = make_folder("/run", 0755)) < 0 ||
	    (result = make_folder(DEPLOYMENT_FOLDER, 0755)) < 0 ||
	    (result = sys_mount(deployment->root, DEPLOYMENT_FOLDER, NULL, MS_BIND | MS_REC, NULL)) < 0)
		return because(result, NULL, "%s on " DEPLOYMENT_FOLDER, deployment->root);
	return switch_root_enter(DEPLOYMENT_FOLDER);
}

int ostree_enter(const struct deployment *deployment)
{
	int result;

	if ((result = bind_parts(deployment)) < 0 || (result = make_root(deployment)) < 0)
		return result;
	if ((result = make_folder("/run/ostree", 0755)) < 0)
		return because(result, NULL, "/run/ostree");
	result = write_new("/run/ostree-booted", "", 0640);
	return result < 0 ? because(result, NULL, "/run/ostree-booted") : 0;
}
