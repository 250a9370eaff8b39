/* An id of the machine that is the same at each boot of one phone. */
#ifndef STAGE0_MACHINE_ID_H
#define STAGE0_MACHINE_ID_H

enum { MACHINE_ID_SIZE = 33 }; /* 32 hexadecimal digits and the NUL */

/*
 * From the phone's serial: two times FNV-1a-64 over "fastboop-stage0-machine-id-v1", NUL, serial,
 * NUL and the number of the half, big-endian. Without one ("") it is random. 0 or a negative errno.
 */
int machine_id(const char *serial, char id[MACHINE_ID_SIZE]);

#endif
