/*
 * The agent of the virtual phone: what a USB cable is on a real one. The emulated bootloader adds it
 * to the initramfs and starts it with rdinit=; it leaves a process behind and becomes /init.
 *
 * That process gives the guest's USB device controller a TCP connection to the emulator: connected
 * is plugged in. It needs no file once it runs, and keeps its network card from the system booted.
 */
#ifndef AGENT_H
#define AGENT_H

#include <stdbool.h>
#include <stdint.h>

#define AGENT_FOLDER "/fastboop-agent"

enum controller {
	CONTROLLER_VUDC,  /* usbip-vudc: high speed, unplugs as a cable does */
	CONTROLLER_DUMMY, /* dummy_hcd and usbip-host: SuperSpeed, any endpoint number */
};

/* AGENT_FOLDER "/config": a word and its value in each line. */
struct config {
	enum controller controller;
	uint16_t port; /* on the host */
	/* Lines "module PATH [PARAMETERS]", in the order to load them; for the dummy, which stage0
	   would load without its parameter. */
	char *modules[32];
	unsigned module_count;
};

/* say.c: lines on the kernel's log, "agent: " in front; `format` as of text_format(). */
void say_open(void);
void say(const char *format, ...);
/* The same, and the end: of PID 1 this is a panic, which the emulator sees. */
_Noreturn void fail(const char *format, ...);

/* config.c */
void read_config(struct config *config);
void load_modules(const struct config *config);

/* net.c: a network of this process alone, with the first card that appears; fails as above. */
void take_network(void);
/* Connected socket to a port of the host, or a negative errno. */
int connect_host(uint16_t port);

/* usb.c: never returns. `sys` is a sysfs. */
_Noreturn void serve_vudc(int sys, uint16_t port);
_Noreturn void serve_dummy(int sys, uint16_t port);
/* The guest is to be the device alone: none of its drivers may take what it plugs in itself. */
void keep_drivers_off(int sys);

#endif
