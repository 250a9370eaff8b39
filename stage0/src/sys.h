/*
 * Every call of stage0 to the kernel. `sys_linux.c` passes them on; tests link `tests/fake_sys.c`
 * instead, which records them and lets any of them fail.
 *
 * All give what the system call gives, or a negative errno; none touches `errno`.
 */
#ifndef STAGE0_SYS_H
#define STAGE0_SYS_H

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

/* Files. */
int sys_open(const char *path, int flags, mode_t mode); /* O_CLOEXEC is always added */
int sys_close(int fd);
ssize_t sys_read(int fd, void *into, size_t size);
ssize_t sys_pread(int fd, void *into, size_t size, uint64_t offset);
ssize_t sys_write(int fd, const void *from, size_t size);
int sys_fsync(int fd);
int sys_rename(const char *from, const char *to);
int sys_stat(const char *path, struct stat *into);
int sys_lstat(const char *path, struct stat *into);
long sys_statfs_type(const char *path); /* f_type of statfs(2): a magic of linux/magic.h */
ssize_t sys_readlink(const char *path, char *into, size_t size);
int sys_mkdir(const char *path, mode_t mode);
int sys_rmdir(const char *path);
int sys_unlink(const char *path);
int sys_symlink(const char *target, const char *path);
int sys_chmod(const char *path, mode_t mode);
int sys_setxattr(const char *path, const char *name, const void *value, size_t size);
/* What sys_getdents() gives, one behind the other: getdents64(2). */
struct linux_dirent64 {
	uint64_t d_ino;
	int64_t d_off;
	unsigned short d_reclen; /* bytes to the next */
	unsigned char d_type;
	char d_name[];
};
ssize_t sys_getdents(int fd, void *into, size_t size);
int sys_ioctl(int fd, unsigned long request, void *argument);
int sys_poll(struct pollfd *fds, unsigned count, int timeout_ms);
int sys_dup2(int from, int to);
int sys_pipe(int fds[2]); /* O_CLOEXEC */
int sys_eventfd(unsigned initial);
int sys_fcntl(int fd, int command, long argument);

/* An address, or an error for which SYS_IS_ERROR() is true and SYS_ERROR() the negative errno. */
#define SYS_IS_ERROR(address) ((uintptr_t)(address) > (uintptr_t)-4096)
#define SYS_ERROR(address) ((int)(intptr_t)(address))
void *sys_mmap(void *address, size_t size, int protection, int flags, int fd, uint64_t offset);
int sys_munmap(void *address, size_t size);

/* Mounts and roots. */
int sys_mount(const char *source, const char *target, const char *type, unsigned long flags,
	      const char *data);
int sys_umount(const char *target, int flags);
int sys_chroot(const char *path);
int sys_chdir(const char *path);

/* Processes. */
pid_t sys_getpid(void);
pid_t sys_fork(void);
int sys_execve(const char *path, char *const argv[], char *const envp[]);
_Noreturn void sys_exit(int status);
pid_t sys_waitpid(pid_t pid, int *status, int options);
int sys_kill(pid_t pid, int signal);
int sys_setsid(void);
int sys_prctl(int option, unsigned long a, unsigned long b);
int sys_mlockall(int flags);
int sys_sigprocmask(int how, const sigset_t *set);
int sys_signalfd(const sigset_t *set);

/* The kernel itself. */
int sys_finit_module(int fd, const char *parameters, int flags);
int sys_reboot(int command, const char *argument);
int sys_uevent_socket(void); /* bound to NETLINK_KOBJECT_UEVENT, group 1, non-blocking */
ssize_t sys_getrandom(void *into, size_t size);

/* Time. */
uint64_t sys_now_ns(void); /* CLOCK_BOOTTIME: goes on while suspended */
void sys_sleep_ms(unsigned ms);

#endif
