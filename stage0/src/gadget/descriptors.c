#include "descriptors.h"

#include <linux/usb/functionfs.h>
#include <string.h>

#include "bytes.h"

enum speed { FULL, HIGH, SUPER, SPEEDS };

enum {
	SS_BURST = 15, /* packets beyond the first in a burst; controllers that have less use less */
	US_ENGLISH = 0x0409,
};

/* wMaxPacketSize */
static const uint16_t bulk_packet[SPEEDS] = { 64, 512, 1024 };

static uint8_t *put_interface(uint8_t *at, bool mimic_fastboot)
{
	at[0] = USB_DT_INTERFACE_SIZE;
	at[1] = USB_DT_INTERFACE;
	at[2] = 0; /* number, set by the kernel */
	at[3] = 0; /* alternate setting */
	at[4] = ENDPOINTS;
	at[5] = USB_CLASS_VENDOR_SPEC;
	at[6] = mimic_fastboot ? 0x42 : 0x53;
	at[7] = mimic_fastboot ? 0x03 : 0x4d;
	at[8] = 1; /* its name is string 1 */
	return at + USB_DT_INTERFACE_SIZE;
}

static uint8_t *put_endpoint(uint8_t *at, enum endpoint which, enum speed speed)
{
	bool in = which == INTERRUPT_IN || which == BULK_IN;
	bool bulk = which == BULK_IN || which == BULK_OUT;

	at[0] = USB_DT_ENDPOINT_SIZE;
	at[1] = USB_DT_ENDPOINT;
	at[2] = (uint8_t)((which + 1) | (in ? USB_DIR_IN : 0)); /* the kernel numbers anew */
	at[3] = bulk ? USB_ENDPOINT_XFER_BULK : USB_ENDPOINT_XFER_INT;
	put16(at + 4, bulk ? bulk_packet[speed] : INTERRUPT_PACKET);
	at[6] = bulk ? 0 : 1; /* bInterval: every frame or microframe */
	at += USB_DT_ENDPOINT_SIZE;
	if (speed != SUPER)
		return at;
	at[0] = USB_DT_SS_EP_COMP_SIZE;
	at[1] = USB_DT_SS_ENDPOINT_COMP;
	at[2] = bulk ? SS_BURST : 0;
	at[3] = 0;
	put16(at + 4, bulk ? 0 : INTERRUPT_PACKET); /* wBytesPerInterval */
	return at + USB_DT_SS_EP_COMP_SIZE;
}

void descriptors_encode(uint8_t into[DESCRIPTORS_SIZE], bool mimic_fastboot)
{
	uint8_t *at = into;

	put32(at, FUNCTIONFS_DESCRIPTORS_MAGIC_V2);
	put32(at + 4, DESCRIPTORS_SIZE);
	put32(at + 8, FUNCTIONFS_HAS_FS_DESC | FUNCTIONFS_HAS_HS_DESC | FUNCTIONFS_HAS_SS_DESC);
	/* How many descriptors each set has: the companions of SuperSpeed count. */
	put32(at + 12, 1 + ENDPOINTS);
	put32(at + 16, 1 + ENDPOINTS);
	put32(at + 20, 1 + 2 * ENDPOINTS);
	at += 24;
	for (enum speed speed = FULL; speed < SPEEDS; speed++) {
		at = put_interface(at, mimic_fastboot);
		for (enum endpoint which = INTERRUPT_IN; which < ENDPOINTS; which++)
			at = put_endpoint(at, which, speed);
	}
}

void strings_encode(uint8_t into[STRINGS_SIZE])
{
	put32(into, FUNCTIONFS_STRINGS_MAGIC);
	put32(into + 4, STRINGS_SIZE);
	put32(into + 8, 1);  /* strings */
	put32(into + 12, 1); /* languages */
	put16(into + 16, US_ENGLISH);
	memcpy(into + 18, "smoo", 5);
}
