/* A network card that the system booted never sees: rtnetlink(7). */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"

/* What QEMU's user network expects of its guest, and calls itself. */
static const uint8_t OWN_ADDRESS[4] = { 10, 0, 2, 15 };
static const uint8_t HOST_ADDRESS[4] = { 10, 0, 2, 2 };
#define PREFIX_LENGTH 24

/* A request with at most a few small attributes. */
struct request {
	struct nlmsghdr header;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
	};
	uint8_t attributes[64];
};

static int netlink_open(uint32_t groups)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address))
		fail("cannot open a netlink socket: %e", errno);
	return fd;
}

static void add_attribute(struct request *request, unsigned short type, const void *data,
			  size_t size)
{
	struct rtattr *attribute =
		(struct rtattr *)((uint8_t *)request + NLMSG_ALIGN(request->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(size);
	memcpy(RTA_DATA(attribute), data, size);
	request->header.nlmsg_len =
		(uint32_t)(NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len));
}

static struct request new_request(uint16_t type, uint16_t flags, size_t body)
{
	struct request request;

	memset(&request, 0, sizeof request);
	request.header.nlmsg_len = (uint32_t)NLMSG_LENGTH(body);
	request.header.nlmsg_type = type;
	request.header.nlmsg_flags = NLM_F_REQUEST | flags;
	return request;
}

/* Sends a request and waits for its answer: 0 or a negative errno. */
static int ask(int fd, const struct request *request)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		uint8_t rest[1024];
	} answer;

	if (send(fd, request, request->header.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t size = recv(fd, &answer, sizeof answer, 0);
		if (size < (ssize_t)NLMSG_LENGTH(sizeof answer.error))
			return size < 0 ? -errno : -EPROTO;
		if (answer.header.nlmsg_type == NLMSG_ERROR)
			return answer.error.error;
	}
}

/* Index of the first link of the messages that is an Ethernet card, or 0. */
static int find_card(void *messages, ssize_t size)
{
	struct nlmsghdr *message = messages;
	unsigned left = (unsigned)size;

	for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
		struct ifinfomsg *link = NLMSG_DATA(message);
		if (message->nlmsg_type == RTM_NEWLINK && link->ifi_type == 1 /* ARPHRD_ETHER */)
			return link->ifi_index;
	}
	return 0;
}

/* Waits until there is a card: stage0 loads its driver. */
static int wait_for_card(int events)
{
	static uint8_t buffer[16384] __attribute__((aligned(8)));
	struct request list = new_request(RTM_GETLINK, NLM_F_DUMP, sizeof list.link);
	int index = 0;

	if (send(events, &list, list.header.nlmsg_len, 0) < 0)
		fail("cannot list network cards: %e", errno);
	while (!index) {
		ssize_t size = recv(events, buffer, sizeof buffer, 0);
		if (size < 0 && errno != EINTR)
			fail("cannot wait for a network card: %e", errno);
		if (size > 0)
			index = find_card(buffer, size);
	}
	return index;
}

void take_network(void)
{
	int outside = netlink_open(RTMGRP_LINK), inside, error;
	int index = wait_for_card(outside);
	uint32_t pid = (uint32_t)getpid();

	close(outside);
	outside = netlink_open(0);
	if (unshare(CLONE_NEWNET))
		fail("cannot make a network namespace: %e", errno);
	struct request move = new_request(RTM_NEWLINK, NLM_F_ACK, sizeof move.link);
	move.link.ifi_index = index;
	add_attribute(&move, IFLA_NET_NS_PID, &pid, sizeof pid);
	if ((error = ask(outside, &move)))
		fail("cannot move the network card: %e", error);
	close(outside);

	inside = netlink_open(0);
	/* it may have got another number here */
	index = wait_for_card(inside);
	close(inside);
	inside = netlink_open(0);
	struct request address = new_request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
					     sizeof address.address);
	address.address.ifa_family = AF_INET;
	address.address.ifa_prefixlen = PREFIX_LENGTH;
	address.address.ifa_index = (uint32_t)index;
	add_attribute(&address, IFA_LOCAL, OWN_ADDRESS, sizeof OWN_ADDRESS);
	add_attribute(&address, IFA_ADDRESS, OWN_ADDRESS, sizeof OWN_ADDRESS);
	if ((error = ask(inside, &address)))
		fail("cannot set the address: %e", error);
	struct request up = new_request(RTM_NEWLINK, NLM_F_ACK, sizeof up.link);
	up.link.ifi_index = index;
	up.link.ifi_flags = up.link.ifi_change = IFF_UP;
	if ((error = ask(inside, &up)))
		fail("cannot bring the network card up: %e", error);
	close(inside);
}

int connect_host(uint16_t port)
{
	struct sockaddr_in host = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return -errno;
	memcpy(&host.sin_addr, HOST_ADDRESS, sizeof HOST_ADDRESS);
	if (connect(fd, (struct sockaddr *)&host, sizeof host)) {
		int error = -errno;
		close(fd);
		return error;
	}
	/* answers are small and waited for */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}
