/*
 * The system calls of init.c, without a C library: numbers and registers of arm64 and x86-64.
 * A failed call returns the negative errno, as the kernel does.
 */
#ifndef SYS_H
#define SYS_H

typedef unsigned long size_t;
typedef long ssize_t;

#if defined(__aarch64__)

enum {
	SYS_MKDIRAT = 34, SYS_MOUNT = 40, SYS_OPENAT = 56, SYS_CLOSE = 57, SYS_GETDENTS64 = 61,
	SYS_READ = 63, SYS_WRITE = 64, SYS_DUP3 = 24, SYS_SYSLOG = 116, SYS_REBOOT = 142,
	SYS_UNAME = 160, SYS_GETPID = 172, SYS_FINIT_MODULE = 273,
};

static inline long sys_call(long number, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc 0"
	                 : "+r"(x0)
	                 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
	                 : "memory", "cc");
	return x0;
}

__asm__(".globl _start\n"
        "_start:\n"
        "	mov x29, #0\n"
        "	mov x30, #0\n"
        "	bl run\n"
        "	brk #0\n");

#elif defined(__x86_64__)

enum {
	SYS_MKDIRAT = 258, SYS_MOUNT = 165, SYS_OPENAT = 257, SYS_CLOSE = 3, SYS_GETDENTS64 = 217,
	SYS_READ = 0, SYS_WRITE = 1, SYS_DUP3 = 292, SYS_SYSLOG = 103, SYS_REBOOT = 169,
	SYS_UNAME = 63, SYS_GETPID = 39, SYS_FINIT_MODULE = 313,
};

static inline long sys_call(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall"
	                 : "=a"(result)
	                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
	                 : "rcx", "r11", "memory", "cc");
	return result;
}

__asm__(".globl _start\n"
        "_start:\n"
        "	xor %ebp, %ebp\n"
        "	and $-16, %rsp\n"
        "	call run\n"
        "	ud2\n");

#else
#error "sys.h knows arm64 and x86-64"
#endif

/* <errno.h>, <fcntl.h>, <linux/reboot.h>, <linux/module.h>, <linux/syslog.h> */
enum {
	ENOENT = 2, EEXIST = 17, ENAMETOOLONG = 36,
	AT_FDCWD = -100,
	O_RDONLY = 0, O_RDWR = 2,
	MODULE_INIT_COMPRESSED_FILE = 4,
	SYSLOG_ACTION_READ_ALL = 3, SYSLOG_ACTION_CLEAR = 5, SYSLOG_ACTION_CONSOLE_LEVEL = 8,
};
#define REBOOT_MAGIC1 0xfee1deadL
#define REBOOT_MAGIC2 672274793L
#define REBOOT_POWER_OFF 0x4321fedcL

struct dirent64 {
	unsigned long long inode;
	long long next;
	unsigned short size; /* of this record */
	unsigned char type;
	char name[];
};

struct utsname {
	char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};

static inline int sys_open(const char *path, int flags)
{
	return (int)sys_call(SYS_OPENAT, AT_FDCWD, (long)path, flags, 0, 0);
}

static inline int sys_close(int fd) { return (int)sys_call(SYS_CLOSE, fd, 0, 0, 0, 0); }

static inline ssize_t sys_read(int fd, void *into, size_t size)
{
	return sys_call(SYS_READ, fd, (long)into, (long)size, 0, 0);
}

static inline ssize_t sys_write(int fd, const void *from, size_t size)
{
	return sys_call(SYS_WRITE, fd, (long)from, (long)size, 0, 0);
}

static inline int sys_dup(int fd, int as) { return (int)sys_call(SYS_DUP3, fd, as, 0, 0, 0); }

static inline int sys_mkdir(const char *path)
{
	return (int)sys_call(SYS_MKDIRAT, AT_FDCWD, (long)path, 0755, 0, 0);
}

static inline int sys_mount(const char *type, const char *on)
{
	return (int)sys_call(SYS_MOUNT, (long)type, (long)on, (long)type, 0, 0);
}

static inline ssize_t sys_list(int fd, void *into, size_t size)
{
	return sys_call(SYS_GETDENTS64, fd, (long)into, (long)size, 0, 0);
}

static inline int sys_uname(struct utsname *into)
{
	return (int)sys_call(SYS_UNAME, (long)into, 0, 0, 0, 0);
}

static inline int sys_getpid(void) { return (int)sys_call(SYS_GETPID, 0, 0, 0, 0, 0); }

static inline int sys_load_module(int fd, const char *parameters, int flags)
{
	return (int)sys_call(SYS_FINIT_MODULE, fd, (long)parameters, flags, 0, 0);
}

/* The kernel's log: what to do with it, where to and how much. */
static inline ssize_t sys_log(int action, char *into, long size)
{
	return sys_call(SYS_SYSLOG, action, (long)into, size, 0, 0);
}

static inline void sys_power_off(void)
{
	sys_call(SYS_REBOOT, REBOOT_MAGIC1, REBOOT_MAGIC2, REBOOT_POWER_OFF, 0, 0);
}

#endif
