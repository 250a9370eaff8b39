/* Hands connections to the device controller, one after the other. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"
#include "text.h"

/* Between looks at files that tell nobody when they change. */
#define POLL_MS 10
/* After a refusal: nobody listens, which is an unplugged cable. */
#define RETRY_MS 30

#define VUDC "devices/platform/usbip-vudc.0/"
#define HOST_DRIVER "bus/usb/drivers/usbip-host/"

static void sleep_ms(long ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

/* First line of a file of sysfs, without its end; its length or a negative errno. */
static ssize_t read_file(int sys, const char *path, char *into, size_t size)
{
	int fd = openat(sys, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t length = read(fd, into, size - 1);
	int error = -errno;
	close(fd);
	if (length < 0)
		return error;
	into[length] = 0;
	into[strcspn(into, "\n")] = 0;
	return length;
}

static int write_file(int sys, const char *path, const char *text)
{
	int fd = openat(sys, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t length = write(fd, text, strlen(text));
	int error = length < 0 ? -errno : 0;
	close(fd);
	return error;
}

static uint32_t read_number(int sys, const char *path)
{
	char text[32];
	uint64_t number = 0;

	if (read_file(sys, path, text, sizeof text) < 0 || !text_number(text, 0xffffffff, &number))
		return 0;
	return (uint32_t)number;
}

/* Tells the emulator who comes, and waits until it lets this one in: that is the plug. */
static bool is_let_in(int fd, uint32_t devid, uint32_t speed)
{
	uint32_t hello[2] = { htonl(devid), htonl(speed) };
	uint8_t answer;

	return send(fd, hello, sizeof hello, MSG_NOSIGNAL) == sizeof hello &&
	       recv(fd, &answer, 1, 0) == 1;
}

/* Connects as long as it takes. */
static int plug_in(uint16_t port, uint32_t devid, uint32_t speed)
{
	for (;;) {
		int fd = connect_host(port);
		if (fd >= 0 && is_let_in(fd, devid, speed))
			return fd;
		if (fd >= 0)
			close(fd);
		sleep_ms(RETRY_MS);
	}
}

/* Gives the socket to the driver and waits for the end of the connection; an errno when refused. */
static int hand_over(int sys, const char *path, int fd)
{
	char number[16];
	struct pollfd end = { .fd = fd, .events = POLLRDHUP };

	text_format(number, sizeof number, "%d", fd);
	int error = write_file(sys, path, number);
	/* the other end, or the driver after a fault, shuts it down */
	while (!error && poll(&end, 1, -1) < 0)
		;
	close(fd);
	return error;
}

void serve_vudc(int sys, uint16_t port)
{
	const uint32_t DEVID = 1u << 16 | 1, USB_SPEED_HIGH = 3;
	char descriptor[32];

	for (;;) {
		/* there is a descriptor as soon as a gadget is bound and ready to be plugged in */
		if (read_file(sys, VUDC "dev_desc", descriptor, sizeof descriptor) <= 0 ||
		    read_number(sys, VUDC "usbip_status") != 1) {
			sleep_ms(POLL_MS);
			continue;
		}
		int fd = plug_in(port, DEVID, USB_SPEED_HIGH);
		int error = hand_over(sys, VUDC "usbip_sockfd", fd);
		if (error)
			say("cannot hand the connection to usbip-vudc: %e", error);
		else
			say("unplugged");
		if (error)
			sleep_ms(RETRY_MS);
	}
}

/* usbip's number for a speed as sysfs gives it, in Mbit/s. */
static uint32_t speed_of(uint32_t megabits)
{
	switch (megabits) {
	case 12: return 2;
	case 480: return 3;
	case 5000: return 5;
	default: return 6;
	}
}

void keep_drivers_off(int sys)
{
	int error = write_file(sys, "bus/usb/drivers_autoprobe", "0");

	if (error)
		fail("cannot keep drivers from the device: %e", error);
}

/* The one port of a bus of dummy_hcd, and what may be plugged into it. */
struct port {
	unsigned bus;
	const char *id;
	const char *devnum, *speed, *status, *socket; /* of the device */
	const char *disable; /* of the port */
};

#define PORT_OF(bus) { \
	bus, #bus "-1", \
	"bus/usb/devices/" #bus "-1/devnum", \
	"bus/usb/devices/" #bus "-1/speed", \
	"bus/usb/devices/" #bus "-1/usbip_status", \
	"bus/usb/devices/" #bus "-1/usbip_sockfd", \
	"bus/usb/devices/usb" #bus "/" #bus "-0:1.0/usb" #bus "-port1/disable" }

/* At SuperSpeed the device is on the second bus; below there is but one. */
static const struct port PORTS[] = { PORT_OF(2), PORT_OF(1) };
#define PORT_COUNT (sizeof PORTS / sizeof *PORTS)

/* The number of a device that usbip-host has; 0 when there is none yet. */
static uint32_t take_device(int sys, const struct port *port)
{
	uint32_t number = read_number(sys, port->devnum);

	if (!number || read_number(sys, port->status) == 1)
		return number;
	/* there already, when it is bound */
	write_file(sys, HOST_DRIVER "bind", port->id);
	return read_number(sys, port->status) == 1 ? number : 0;
}

static void serve_device(int sys, const struct port *port, uint32_t number, uint16_t tcp_port)
{
	uint32_t speed = speed_of(read_number(sys, port->speed));
	int fd = plug_in(tcp_port, port->bus << 16 | number, speed);
	int error = hand_over(sys, port->socket, fd);

	if (error)
		say("cannot hand the connection to usbip-host: %e", error);
	else
		say("unplugged");
	/* the driver keeps the device: only its port can unplug it */
	write_file(sys, port->disable, "1");
	sleep_ms(POLL_MS);
	write_file(sys, port->disable, "0");
}

void serve_dummy(int sys, uint16_t tcp_port)
{
	char line[16];

	for (unsigned i = 0; i < PORT_COUNT; i++) {
		text_format(line, sizeof line, "add %s", PORTS[i].id);
		/* stage0 loads the driver; it may be told a second time */
		while (write_file(sys, HOST_DRIVER "match_busid", line) == -ENOENT)
			sleep_ms(POLL_MS);
	}
	for (;;) {
		uint32_t number = 0;

		for (unsigned i = 0; i < PORT_COUNT && !number; i++) {
			number = take_device(sys, &PORTS[i]);
			if (number)
				serve_device(sys, &PORTS[i], number, tcp_port);
		}
		if (!number)
			sleep_ms(POLL_MS);
	}
}
