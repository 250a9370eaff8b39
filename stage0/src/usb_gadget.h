/* The USB device as configfs has it: identity, functions, and the controller it is bound to. */
#ifndef STAGE0_USB_GADGET_H
#define STAGE0_USB_GADGET_H

#include "settings.h"

/* Where functionfs is mounted for the gadget process; not below anything that the system gets. */
#define FUNCTIONFS "/ffs"

enum { UDC_SIZE = 128 }; /* bytes of a controller's name with its NUL */

/* Mounts configfs and makes the gadget with its functions. */
int usb_gadget_create(const struct settings *settings);

/* Mounts functionfs of the gadget's function. */
int usb_gadget_mount_functionfs(void);

/* Name of the first USB device controller; -EAGAIN while there is none. */
int usb_gadget_find_controller(char name[UDC_SIZE]);

int usb_gadget_bind(const char *controller);

#endif
