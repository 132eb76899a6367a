// Ends the flows of addresses that a message bans. The same policy as tests/guests/ban-kill, for IPv4.

#include <stdlib.h>
#include <string.h>

#include "plugin.h"

#define POLICY(name) exports_ctwarden_conntrack_policy_##name

// Prefix of the keys in memory. The address follows.
static const char KEY[] = "ban/";
static const char BAN[] = "ban ";

#define BANS_MOST 1024

static uint32_t banned[BANS_MOST];
static size_t bans;

// Reads an IPv4 address. Returns false if the text is something else.
static bool read_address(const uint8_t *text, size_t length, uint32_t *address)
{
    uint32_t value = 0;
    size_t at = 0;
    for (int part = 0; part < 4; part++) {
        if (part > 0 && (at == length || text[at++] != '.'))
            return false;
        uint32_t number = 0;
        size_t begin = at;
        while (at < length && at - begin < 3 && text[at] >= '0' && text[at] <= '9')
            number = number * 10 + (text[at++] - '0');
        if (at == begin || number > 255)
            return false;
        value = value << 8 | number;
    }
    *address = value;
    return at == length;
}

static bool is_banned(uint32_t address)
{
    for (size_t i = 0; i < bans; i++)
        if (banned[i] == address)
            return true;
    return false;
}

static bool ban(uint32_t address)
{
    if (is_banned(address))
        return true;
    if (bans == BANS_MOST)
        return false;
    banned[bans++] = address;
    return true;
}

// A text of two parts. The host frees it.
static void join(plugin_string_t *text, const char *before, const uint8_t *middle, size_t length, const char *after)
{
    size_t first = strlen(before), last = strlen(after);
    text->len = first + length + last;
    text->ptr = malloc(text->len + 1);
    memcpy(text->ptr, before, first);
    memcpy(text->ptr + first, middle, length);
    memcpy(text->ptr + first + length, after, last);
}

static void delete_flows(POLICY(verdict_t) *verdict, POLICY(target_t) target)
{
    memset(verdict, 0, sizeof *verdict);
    verdict->target = target;
    verdict->action.tag = EXPORTS_CTWARDEN_CONNTRACK_POLICY_ACTION_DELETE;
    plugin_string_dup(&verdict->code, "banned");
}

void POLICY(describe)(POLICY(descriptor_t) *ret)
{
    memset(ret, 0, sizeof *ret);
    plugin_string_dup(&ret->name, "ban-kill");
    plugin_string_dup(&ret->version, "1.0.0");
    plugin_string_dup(&ret->summary, "Ends the flows of banned addresses");
    ret->wants = EXPORTS_CTWARDEN_CONNTRACK_POLICY_VERDICT_KINDS_DELETE;
    ret->codes.len = 1;
    ret->codes.ptr = calloc(1, sizeof *ret->codes.ptr);
    plugin_string_dup(&ret->codes.ptr->code, "banned");
    plugin_string_dup(&ret->codes.ptr->meaning, "The sender is banned.");
}

bool POLICY(configure)(uint64_t now, plugin_string_t *configuration, POLICY(subscription_t) *ret, plugin_string_t *err)
{
    (void)now, (void)err;
    plugin_string_free(configuration);
    plugin_string_t beginning;
    plugin_string_set(&beginning, KEY);
    plugin_list_string_t keys;
    ctwarden_conntrack_memory_keys(&beginning, &keys);
    for (size_t i = 0; i < keys.len; i++) {
        size_t prefix = sizeof KEY - 1;
        uint32_t address;
        if (read_address(keys.ptr[i].ptr + prefix, keys.ptr[i].len - prefix, &address))
            ban(address);
    }
    plugin_list_string_free(&keys);

    memset(ret, 0, sizeof *ret);
    ret->needs = EXPORTS_CTWARDEN_CONNTRACK_POLICY_VERDICT_KINDS_DELETE;
    ret->kinds = EXPORTS_CTWARDEN_CONNTRACK_POLICY_KINDS_ROW | EXPORTS_CTWARDEN_CONNTRACK_POLICY_KINDS_NEW;
    ret->selects = true;
    return true;
}

void POLICY(judge)(POLICY(batch_t) *batch, POLICY(list_verdict_t) *ret)
{
    ret->len = 0;
    ret->ptr = batch->flows.len ? malloc(batch->flows.len * sizeof *ret->ptr) : NULL;
    for (size_t i = 0; i < batch->flows.len; i++) {
        ctwarden_conntrack_types_ip_address_t *src = &batch->flows.ptr[i].original.src;
        if (src->tag != CTWARDEN_CONNTRACK_TYPES_IP_ADDRESS_IPV4 || !is_banned(src->val.ipv4))
            continue;
        POLICY(target_t) entry = {.tag = EXPORTS_CTWARDEN_CONNTRACK_POLICY_TARGET_ENTRY, .val = {.entry = i}};
        delete_flows(&ret->ptr[ret->len++], entry);
    }
    POLICY(batch_free)(batch);
}

void POLICY(tick)(uint64_t now, POLICY(list_verdict_t) *ret)
{
    (void)now;
    ret->ptr = NULL;
    ret->len = 0;
}

bool POLICY(message)(uint64_t now, plugin_string_t *text, POLICY(reply_t) *ret, plugin_string_t *err)
{
    (void)now;
    size_t prefix = sizeof BAN - 1;
    uint32_t address;
    bool is_ban = text->len > prefix && memcmp(text->ptr, BAN, prefix) == 0 &&
                  read_address(text->ptr + prefix, text->len - prefix, &address);
    if (!is_ban) {
        plugin_string_free(text);
        plugin_string_dup(err, "write ban ADDRESS");
        return false;
    }
    plugin_string_t key;
    join(&key, KEY, text->ptr + prefix, text->len - prefix, "");
    plugin_list_u8_t nothing = {.ptr = NULL, .len = 0};
    bool is_kept = ctwarden_conntrack_memory_set(&key, &nothing, NULL, err);
    plugin_string_free(&key);
    if (is_kept && !ban(address)) {
        plugin_string_dup(err, "there is no room for another ban");
        is_kept = false;
    }
    if (!is_kept) {
        plugin_string_free(text);
        return false;
    }
    join(&ret->text, "", text->ptr + prefix, text->len - prefix, " is banned");
    plugin_string_free(text);

    POLICY(target_t) flows;
    memset(&flows, 0, sizeof flows);
    flows.tag = EXPORTS_CTWARDEN_CONNTRACK_POLICY_TARGET_MATCHING;
    ctwarden_conntrack_types_filter_t *filter = &flows.val.matching.filter;
    filter->either.len = 1;
    filter->either.ptr = calloc(1, sizeof *filter->either.ptr);
    filter->either.ptr->address.tag = CTWARDEN_CONNTRACK_TYPES_IP_ADDRESS_IPV4;
    filter->either.ptr->address.val.ipv4 = address;
    filter->either.ptr->length = 32;
    ret->verdicts.len = 1;
    ret->verdicts.ptr = malloc(sizeof *ret->verdicts.ptr);
    delete_flows(ret->verdicts.ptr, flows);
    return true;
}

void POLICY(stop)(void)
{
}
