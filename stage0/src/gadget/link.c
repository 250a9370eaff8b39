#include "link.h"

void mail_note(struct mail *mail, enum link_event event, uint64_t now_ms)
{
	switch (event) {
	case LINK_ENABLE:
	case LINK_DISABLE:
		mail->enabled = event == LINK_ENABLE;
		mail->resets++;
		mail->alive = false;
		break;
	case LINK_IDENT:
		mail->idents++;
		mail->resets++;
		mail->alive = false;
		break;
	case LINK_SUSPEND:
		mail->alive = false;
		break;
	case LINK_RESUME:
		break;
	case LINK_STATUS:
		mail->alive = true;
		mail->alive_ms = now_ms;
		break;
	}
}

bool link_take(struct link *link, const struct mail *mail)
{
	bool reset = mail->resets != link->mail.resets;
	uint64_t heard_ms = link->mail.alive_ms;

	link->mail = *mail;
	if (reset)
		link->broken = false;
	else if (heard_ms > mail->alive_ms)
		link->mail.alive_ms = heard_ms;
	return reset;
}

void link_heard(struct link *link, uint64_t now_ms)
{
	link->mail.alive_ms = now_ms;
}

enum link_state link_state(const struct link *link, uint64_t now_ms)
{
	if (!link->mail.enabled || link->broken)
		return LINK_OFFLINE;
	if (!link->mail.alive || now_ms - link->mail.alive_ms >= LIVENESS_MS)
		return LINK_READY;
	return LINK_ONLINE;
}

int link_wait_ms(const struct link *link, uint64_t now_ms)
{
	if (link_state(link, now_ms) != LINK_ONLINE)
		return -1;
	return (int)(link->mail.alive_ms + LIVENESS_MS - now_ms);
}
