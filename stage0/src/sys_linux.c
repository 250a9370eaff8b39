/* The calls of sys.h as Linux has them. */
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <stdio.h>
#include <unistd.h>
#include <linux/reboot.h>

#ifndef GRND_INSECURE
#define GRND_INSECURE 4 /* linux/random.h: what /dev/urandom gives, at once */
#endif

static ssize_t sized(ssize_t result)
{
	return result < 0 ? -errno : result;
}

static int number(int result)
{
	return result < 0 ? -errno : result;
}

int sys_open(const char *path, int flags, mode_t mode)
{
	return number(open(path, flags | O_CLOEXEC, mode));
}

int sys_close(int fd)
{
	return number(close(fd));
}

ssize_t sys_read(int fd, void *into, size_t size)
{
	return sized(read(fd, into, size));
}

ssize_t sys_pread(int fd, void *into, size_t size, uint64_t offset)
{
	return sized(pread(fd, into, size, (off_t)offset));
}

ssize_t sys_write(int fd, const void *from, size_t size)
{
	return sized(write(fd, from, size));
}

int sys_fsync(int fd)
{
	return number(fsync(fd));
}

int sys_rename(const char *from, const char *to)
{
	return number(rename(from, to));
}

int sys_stat(const char *path, struct stat *into)
{
	return number(stat(path, into));
}

int sys_lstat(const char *path, struct stat *into)
{
	return number(lstat(path, into));
}

long sys_statfs_type(const char *path)
{
	struct statfs about;
	int result = number(statfs(path, &about));

	return result < 0 ? result : (long)about.f_type;
}

ssize_t sys_readlink(const char *path, char *into, size_t size)
{
	return sized(readlink(path, into, size));
}

int sys_mkdir(const char *path, mode_t mode)
{
	return number(mkdir(path, mode));
}

int sys_rmdir(const char *path)
{
	return number(rmdir(path));
}

int sys_unlink(const char *path)
{
	return number(unlink(path));
}

int sys_symlink(const char *target, const char *path)
{
	return number(symlink(target, path));
}

int sys_chmod(const char *path, mode_t mode)
{
	return number(chmod(path, mode));
}

int sys_setxattr(const char *path, const char *name, const void *value, size_t size)
{
	return number(setxattr(path, name, value, size, 0));
}

ssize_t sys_getdents(int fd, void *into, size_t size)
{
	return sized(syscall(SYS_getdents64, fd, into, size));
}

int sys_ioctl(int fd, unsigned long request, void *argument)
{
	return number((int)syscall(SYS_ioctl, fd, request, argument));
}

int sys_poll(struct pollfd *fds, unsigned count, int timeout_ms)
{
	return number(poll(fds, count, timeout_ms));
}

int sys_dup2(int from, int to)
{
	return number(dup2(from, to));
}

int sys_pipe(int fds[2])
{
	return number(pipe2(fds, O_CLOEXEC));
}

int sys_eventfd(unsigned initial)
{
	return number(eventfd(initial, EFD_CLOEXEC));
}

int sys_fcntl(int fd, int command, long argument)
{
	return number(fcntl(fd, command, argument));
}

void *sys_mmap(void *address, size_t size, int protection, int flags, int fd, uint64_t offset)
{
	void *result = mmap(address, size, protection, flags, fd, (off_t)offset);

	return result == MAP_FAILED ? (void *)(intptr_t)-errno : result;
}

int sys_munmap(void *address, size_t size)
{
	return number(munmap(address, size));
}

int sys_mount(const char *source, const char *target, const char *type, unsigned long flags,
	      const char *data)
{
	return number(mount(source, target, type, flags, data));
}

int sys_umount(const char *target, int flags)
{
	return number(umount2(target, flags));
}

int sys_chroot(const char *path)
{
	return number(chroot(path));
}

int sys_chdir(const char *path)
{
	return number(chdir(path));
}

pid_t sys_getpid(void)
{
	return getpid();
}

pid_t sys_fork(void)
{
	return number(fork());
}

int sys_execve(const char *path, char *const argv[], char *const envp[])
{
	return number(execve(path, argv, envp));
}

_Noreturn void sys_exit(int status)
{
	_exit(status);
}

pid_t sys_waitpid(pid_t pid, int *status, int options)
{
	return number(waitpid(pid, status, options));
}

int sys_kill(pid_t pid, int signal)
{
	return number(kill(pid, signal));
}

int sys_setsid(void)
{
	return number(setsid());
}

int sys_prctl(int option, unsigned long a, unsigned long b)
{
	return number(prctl(option, a, b, 0, 0));
}

int sys_mlockall(int flags)
{
	return number(mlockall(flags));
}

int sys_sigprocmask(int how, const sigset_t *set)
{
	return number(sigprocmask(how, set, NULL));
}

int sys_signalfd(const sigset_t *set)
{
	return number(signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK));
}

int sys_finit_module(int fd, const char *parameters, int flags)
{
	return number((int)syscall(SYS_finit_module, fd, parameters, flags));
}

/* The call itself: reboot(2) of the C library cannot pass an argument. */
int sys_reboot(int command, const char *argument)
{
	return number((int)syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, command,
				   argument));
}

int sys_uevent_socket(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

/* Without waiting for the kernel's pool: at boot that could take seconds. */
ssize_t sys_getrandom(void *into, size_t size)
{
	ssize_t result = syscall(SYS_getrandom, into, size, GRND_INSECURE);

	if (result < 0 && errno == EINVAL) /* before Linux 5.6 */
		result = syscall(SYS_getrandom, into, size, 0);
	return sized(result);
}

uint64_t sys_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void sys_sleep_ms(unsigned ms)
{
	struct timespec rest = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&rest, &rest) < 0 && errno == EINTR)
		;
}
