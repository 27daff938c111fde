/* map/netlink/route.c: interfaces, this host's addresses, and the names of generic netlink's groups. */
#include <linux/genetlink.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "map/netlink/internal.h"

void map_links_ask(struct nlmsghdr *request) {
    struct ifinfomsg *ask = mnl_nlmsg_put_extra_header(request, sizeof(*ask));
    request->nlmsg_type = RTM_GETLINK;
    ask->ifi_family = AF_UNSPEC;
    mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

int map_link_decode(const struct nlmsghdr *answer, uint32_t *ret_number, const char **ret_name) {
    const struct ifinfomsg *link = mnl_nlmsg_get_payload(answer);
    const struct nlattr *attribute;

    if (answer->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(answer) < sizeof(*link))
        return -EBADMSG;
    mnl_attr_for_each(attribute, answer, sizeof(*link)) {
        const char *name = mnl_attr_get_type(attribute) == IFLA_IFNAME ? map_text_of(attribute) : NULL;
        if (name) {
            *ret_number = (uint32_t)link->ifi_index;
            *ret_name = name;
            return 0;
        }
    }
    return -EBADMSG;
}

void map_locals_ask(struct nlmsghdr *request) {
    struct ifaddrmsg *ask = mnl_nlmsg_put_extra_header(request, sizeof(*ask));
    request->nlmsg_type = RTM_GETADDR;
    ask->ifa_family = AF_UNSPEC;
}

/* IFA_LOCAL is ours where both are there: IFA_ADDRESS is then the other end of a point-to-point link. */
int map_local_decode(const struct nlmsghdr *answer, struct map_address *ret_address) {
    const struct ifaddrmsg *local = mnl_nlmsg_get_payload(answer);
    const struct nlattr *attribute;
    const void *found = NULL;

    if (answer->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(answer) < sizeof(*local) ||
        (local->ifa_family != AF_INET && local->ifa_family != AF_INET6))
        return -EBADMSG;
    size_t size = local->ifa_family == AF_INET ? 4 : 16;
    mnl_attr_for_each(attribute, answer, sizeof(*local)) {
        uint16_t type = mnl_attr_get_type(attribute);
        if ((type == IFA_LOCAL || (type == IFA_ADDRESS && !found)) && payload_of(attribute, size))
            found = mnl_attr_get_payload(attribute);
    }
    if (!found)
        return -EBADMSG;
    *ret_address = (struct map_address){.form = size == 4 ? MAP_INET : MAP_INET6, .interface = local->ifa_index};
    memcpy(ret_address->octets, found, size);
    return 0;
}

/* Generic netlink ---------------------------------------------------------------------------------------------------- */

void map_genl_ask(uint16_t type, struct nlmsghdr *request) {
    struct genlmsghdr *ask = mnl_nlmsg_put_extra_header(request, sizeof(*ask));
    request->nlmsg_type = type;
    ask->cmd = CTRL_CMD_GETFAMILY;
    ask->version = 1;
}

static int read_group(const struct nlattr *group, const char *family, map_genl_group_fn fn, void *userdata) {
    const struct nlattr *attribute;
    const char *name = NULL;
    uint32_t number = 0;

    mnl_attr_for_each_nested(attribute, group) {
        if (mnl_attr_get_type(attribute) == CTRL_ATTR_MCAST_GRP_NAME)
            name = map_text_of(attribute);
        if (mnl_attr_get_type(attribute) == CTRL_ATTR_MCAST_GRP_ID)
            number = u32_of(attribute, 0);
    }
    return name && number != 0 ? fn(userdata, family, number, name) : 0;
}

int map_genl_decode(const struct nlmsghdr *answer, map_genl_group_fn fn, void *userdata) {
    const struct nlattr *attribute, *groups = NULL, *group;
    const char *family = NULL;
    int r = 0;

    if (mnl_nlmsg_get_payload_len(answer) < sizeof(struct genlmsghdr))
        return -EBADMSG;
    mnl_attr_for_each(attribute, answer, sizeof(struct genlmsghdr)) {
        if (mnl_attr_get_type(attribute) == CTRL_ATTR_FAMILY_NAME)
            family = map_text_of(attribute);
        if (mnl_attr_get_type(attribute) == CTRL_ATTR_MCAST_GROUPS)
            groups = attribute;
    }
    if (!family)
        return -EBADMSG;
    if (groups)
        mnl_attr_for_each_nested(group, groups) {
            if (r == 0)
                r = read_group(group, family, fn, userdata);
        }
    return r;
}
