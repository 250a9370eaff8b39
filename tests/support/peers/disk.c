/*
 * What a boot over the cable is measured beside: a first process that boots the same image from a
 * disk, /dev/vda, with the parts of stage0 that have nothing to do with USB.
 */
#include <errno.h>
#include <sys/mount.h>

#include "block_root.h"
#include "failure.h"
#include "files.h"
#include "log.h"
#include "modules.h"
#include "settings.h"
#include "switch_root.h"
#include "sys.h"
#include "system.h"

#define DISK "/dev/vda"

static struct settings settings;

static int mount_on(const char *type, const char *folder)
{
	int result = make_folder(folder, 0755);

	return result < 0 ? result : sys_mount(type, folder, type, 0, NULL);
}

static void wait_for_disk(void)
{
	struct stat about;

	while (sys_stat(DISK, &about) < 0)
		sys_sleep_ms(10);
}

int main(int argc, char *argv[], char *envp[])
{
	(void)argc;
	step("mount proc", mount_on("proc", "/proc"));
	step("mount sysfs", mount_on("sysfs", "/sys"));
	step("mount devtmpfs", mount_on("devtmpfs", "/dev"));
	step("mount tmpfs", mount_on("tmpfs", "/run"));
	step("open the kernel's log", log_open());
	settings_default(&settings);
	step("read the settings", settings_read(&settings, "/etc/stage0"));
	step("load modules", modules_load());
	wait_for_disk();
	step("make mounts private", sys_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	step("prepare the root", block_root_prepare(true));
	step("mount the root", block_root_mount(&settings, DISK));
	step("bind the virtual file systems", switch_root_bind(NEW_ROOT));
	step("switch to the new root", switch_root_enter(NEW_ROOT));
	step("remove /etc/fstab", system_remove_fstab());
	fail("start the system", system_exec_init(argv, envp));
}
