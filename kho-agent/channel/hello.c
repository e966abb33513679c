// SPDX-License-Identifier: GPL-2.0-only
/* Reading, writing and negotiating hellos; hello.h says what is agreed on. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "channel/hello.h"

static const char *role_name(enum kho_role role)
{
	return role == KHO_ROLE_OLD ? "old" : "new";
}

__attribute__((format(printf, 4, 5)))
static int refuse(struct kho_refusal *refusal, Kho__RefuseCode code, const char *remedy,
		  const char *reason, ...)
{
	static const int errnos[] = {
		[KHO__REFUSE_CODE__REFUSE_MALFORMED] = -EBADMSG,
		[KHO__REFUSE_CODE__REFUSE_PROTOCOL] = -EPROTONOSUPPORT,
		[KHO__REFUSE_CODE__REFUSE_ROLE] = -EINVAL,
		[KHO__REFUSE_CODE__REFUSE_UPGRADE] = -EXDEV,
		[KHO__REFUSE_CODE__REFUSE_EPOCH] = -ESTALE,
		[KHO__REFUSE_CODE__REFUSE_FEATURE] = -EOPNOTSUPP,
	};
	va_list args;

	refusal->code = code;
	snprintf(refusal->remedy, sizeof(refusal->remedy), "%s", remedy);
	va_start(args, reason);
	vsnprintf(refusal->reason, sizeof(refusal->reason), reason, args);
	va_end(args);
	return errnos[code];
}

static bool valid_name(const char *name)
{
	size_t length = strnlen(name, KHO_FEATURE_SIZE);

	return length > 0 && length < KHO_FEATURE_SIZE &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == length;
}

bool kho_features_has(const struct kho_features *features, const char *name)
{
	for (unsigned int i = 0; i < features->count; i++)
		if (strcmp(features->names[i], name) == 0)
			return true;
	return false;
}

int kho_features_add(struct kho_features *features, const char *name)
{
	if (!valid_name(name))
		return -EINVAL;
	if (kho_features_has(features, name))
		return 0;
	if (features->count >= KHO_FEATURES_MAX)
		return -ENOSPC;
	snprintf(features->names[features->count++], KHO_FEATURE_SIZE, "%s", name);
	return 0;
}

/* The first name of @a that @b lacks, or NULL. */
static const char *first_missing(const struct kho_features *a, const struct kho_features *b)
{
	for (unsigned int i = 0; i < a->count; i++)
		if (!kho_features_has(b, a->names[i]))
			return a->names[i];
	return NULL;
}

bool kho_features_equal(const struct kho_features *a, const struct kho_features *b)
{
	return a->count == b->count && !first_missing(a, b);
}

int kho_features_read(char *const *names, size_t count, struct kho_features *ret)
{
	struct kho_features features = { .count = 0 };
	int r;

	if (count > KHO_FEATURES_MAX)
		return -ENOSPC;
	for (size_t i = 0; i < count; i++) {
		r = kho_features_add(&features, names[i]);
		if (r < 0)
			return r;
	}
	*ret = features;
	return 0;
}

size_t kho_features_write(const struct kho_features *features, char *ret[KHO_FEATURES_MAX])
{
	/* messages are not const; packing doesn't write to them */
	for (unsigned int i = 0; i < features->count; i++)
		ret[i] = (char *)features->names[i];
	return features->count;
}

void kho_text_clean(char *ret, size_t size, const char *text)
{
	size_t n = 0;

	for (; text && text[n] && n + 1 < size; n++)
		ret[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
	ret[n] = '\0';
}

static void write_features(const struct kho_hello *hello, struct kho_hello_message *ret)
{
	Kho__Hello *msg = &ret->hello;

	msg->n_features = kho_features_write(&hello->features, ret->features);
	msg->features = ret->features;
	msg->n_needs = kho_features_write(&hello->needs, ret->needs);
	msg->needs = ret->needs;
	msg->n_criu_features = kho_features_write(&hello->criu_features, ret->criu_features);
	msg->criu_features = ret->criu_features;
}

void kho_hello_write(const struct kho_hello *hello, struct kho_hello_message *ret)
{
	Kho__Hello *msg = &ret->hello;

	kho__hello__init(msg);
	msg->has_protocol_min = true;
	msg->protocol_min = hello->protocol_min;
	msg->has_protocol_max = true;
	msg->protocol_max = hello->protocol_max;
	msg->has_role = true;
	msg->role = (Kho__Role)hello->role;
	msg->has_upgrade_id = true;
	msg->upgrade_id.data = (uint8_t *)hello->upgrade_id;
	msg->upgrade_id.len = KHO_UPGRADE_ID_SIZE;
	msg->has_epoch = true;
	msg->epoch = hello->epoch;
	msg->has_nonce = true;
	msg->nonce = hello->nonce;
	msg->has_session = true;
	msg->session = hello->session;
	msg->has_instance = true;
	msg->instance = hello->instance;
	msg->has_boot_apic_id = true;
	msg->boot_apic_id = hello->boot_apic_id;
	msg->has_online_cpus = true;
	msg->online_cpus = hello->online_cpus;
	msg->has_memory_bytes = true;
	msg->memory_bytes = hello->memory_bytes;
	msg->agent_version = (char *)hello->agent_version;
	msg->kernel_release = (char *)hello->kernel_release;
	msg->criu_version = (char *)hello->criu_version;
	write_features(hello, ret);
}

#define REMEDY_MALFORMED "install agents of matching versions on both sides"

/* What an agreement can't do without. */
static int check_message(const Kho__Hello *msg, struct kho_refusal *refusal)
{
	const Kho__RefuseCode malformed = KHO__REFUSE_CODE__REFUSE_MALFORMED;

	if (!msg->has_protocol_min || !msg->has_protocol_max || msg->protocol_min == 0 ||
	    msg->protocol_min > msg->protocol_max)
		return refuse(refusal, malformed, REMEDY_MALFORMED,
			      "the hello has no valid range of protocol versions (%u to %u)",
			      msg->protocol_min, msg->protocol_max);
	if (!msg->has_role ||
	    (msg->role != KHO__ROLE__ROLE_OLD && msg->role != KHO__ROLE__ROLE_NEW))
		return refuse(refusal, malformed, REMEDY_MALFORMED,
			      "the hello names no known role (%d)", (int)msg->role);
	if (!msg->has_upgrade_id || msg->upgrade_id.len != KHO_UPGRADE_ID_SIZE)
		return refuse(refusal, malformed, REMEDY_MALFORMED,
			      "the hello's upgrade id has %zu bytes, not %d",
			      msg->upgrade_id.len, KHO_UPGRADE_ID_SIZE);
	if (!msg->has_epoch || !msg->has_nonce || msg->nonce == 0)
		return refuse(refusal, malformed, REMEDY_MALFORMED,
			      "the hello lacks its epoch or its nonce");
	return 0;
}

static int read_features(const Kho__Hello *msg, struct kho_hello *hello,
			 struct kho_refusal *refusal)
{
	int r;

	r = kho_features_read(msg->features, msg->n_features, &hello->features);
	if (r == 0)
		r = kho_features_read(msg->needs, msg->n_needs, &hello->needs);
	if (r == 0)
		r = kho_features_read(msg->criu_features, msg->n_criu_features,
				      &hello->criu_features);
	if (r == 0)
		return 0;
	return refuse(refusal, KHO__REFUSE_CODE__REFUSE_MALFORMED, REMEDY_MALFORMED,
		      r == -ENOSPC ? "the hello lists more than %d features of a kind"
				   : "the hello lists a feature whose name isn't 1 to %d "
				     "valid characters",
		      r == -ENOSPC ? KHO_FEATURES_MAX : KHO_FEATURE_SIZE - 1);
}

int kho_hello_read(const Kho__Hello *message, struct kho_hello *ret,
		   struct kho_refusal *ret_refusal)
{
	struct kho_hello hello;
	int r;

	r = check_message(message, ret_refusal);
	if (r < 0)
		return r;
	hello = (struct kho_hello){
		.protocol_min = message->protocol_min,
		.protocol_max = message->protocol_max,
		.role = (enum kho_role)message->role,
		.epoch = message->epoch,
		.nonce = message->nonce,
		.session = message->session,
		.instance = message->instance,
		.boot_apic_id = message->has_boot_apic_id ? message->boot_apic_id : ~0u,
		.online_cpus = message->online_cpus,
		.memory_bytes = message->memory_bytes,
	};
	memcpy(hello.upgrade_id, message->upgrade_id.data, KHO_UPGRADE_ID_SIZE);
	r = read_features(message, &hello, ret_refusal);
	if (r < 0)
		return r;
	kho_text_clean(hello.agent_version, KHO_HELLO_TEXT_SIZE, message->agent_version);
	kho_text_clean(hello.kernel_release, KHO_HELLO_TEXT_SIZE, message->kernel_release);
	kho_text_clean(hello.criu_version, KHO_HELLO_TEXT_SIZE, message->criu_version);
	*ret = hello;
	return 0;
}

static int check_roles(const struct kho_hello *mine, const struct kho_hello *peer,
		       struct kho_refusal *refusal)
{
	if (mine->role != peer->role)
		return 0;
	return refuse(refusal, KHO__REFUSE_CODE__REFUSE_ROLE,
		      "check the role in the handover tree and on the agents' command lines",
		      "both agents say that they are the %s side", role_name(mine->role));
}

static int check_upgrade(const struct kho_hello *mine, const struct kho_hello *peer,
			 struct kho_refusal *refusal)
{
	if (memcmp(mine->upgrade_id, peer->upgrade_id, KHO_UPGRADE_ID_SIZE) != 0)
		return refuse(refusal, KHO__REFUSE_CODE__REFUSE_UPGRADE,
			      "stop the new kernel and spawn it again",
			      "the %s side's agent belongs to another upgrade",
			      role_name(peer->role));
	if (mine->epoch != peer->epoch)
		return refuse(refusal, KHO__REFUSE_CODE__REFUSE_EPOCH,
			      "stop the side with the lower epoch: it no longer owns anything",
			      "the %s side's agent is in ownership epoch %llu, this one in %llu",
			      role_name(peer->role), (unsigned long long)peer->epoch,
			      (unsigned long long)mine->epoch);
	return 0;
}

static int choose_protocol(const struct kho_hello *mine, const struct kho_hello *peer,
			   uint32_t *ret, struct kho_refusal *refusal)
{
	uint32_t low = mine->protocol_min, high = mine->protocol_max;

	if (peer->protocol_min > low)
		low = peer->protocol_min;
	if (peer->protocol_max < high)
		high = peer->protocol_max;
	if (low > high)
		return refuse(refusal, KHO__REFUSE_CODE__REFUSE_PROTOCOL,
			      "upgrade the older agent; the new side's is in the target image",
			      "the %s side (agent %s) speaks protocol %u to %u, the %s side "
			      "%u to %u",
			      role_name(peer->role), peer->agent_version, peer->protocol_min,
			      peer->protocol_max, role_name(mine->role), mine->protocol_min,
			      mine->protocol_max);
	*ret = high;
	return 0;
}

static int check_needs(const struct kho_hello *who, const struct kho_hello *other,
		       struct kho_refusal *refusal)
{
	const char *missing = first_missing(&who->needs, &other->features);

	if (!missing)
		return 0;
	return refuse(refusal, KHO__REFUSE_CODE__REFUSE_FEATURE,
		      "upgrade that agent, or turn off what needs the feature",
		      "the %s side needs feature %s, which the %s side (agent %s) lacks",
		      role_name(who->role), missing, role_name(other->role),
		      other->agent_version);
}

int kho_hello_negotiate(const struct kho_hello *mine, const struct kho_hello *peer,
			struct kho_agreement *ret, struct kho_refusal *ret_refusal)
{
	struct kho_agreement agreement = { .protocol = 0 };
	int r;

	r = check_roles(mine, peer, ret_refusal);
	if (r == 0)
		r = check_upgrade(mine, peer, ret_refusal);
	if (r == 0)
		r = choose_protocol(mine, peer, &agreement.protocol, ret_refusal);
	if (r == 0)
		r = check_needs(mine, peer, ret_refusal);
	if (r == 0)
		r = check_needs(peer, mine, ret_refusal);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < mine->features.count; i++)
		if (kho_features_has(&peer->features, mine->features.names[i]))
			(void)kho_features_add(&agreement.features, mine->features.names[i]);
	*ret = agreement;
	return 0;
}
