import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ConsumerGroupListing;
import org.apache.kafka.clients.admin.MemberDescription;

/** The admin client's side of groups, as lines. */
final class GroupAdmin {
    private final Admin admin;

    GroupAdmin(Cluster cluster) {
        admin = cluster.admin();
    }

    String obey(Members.Command command) throws Exception {
        String group = command.take("group", null);
        switch (command.verb) {
            case "groups":
                return "groups=" + admin.listConsumerGroups().all().get().stream()
                    .map(GroupAdmin::listing).collect(Collectors.joining(","));
            case "describe":
                return description(admin.describeConsumerGroups(List.of(group)).all().get().get(group));
            case "offsets":
                return "offsets=" + Members.text(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get());
            case "alter":
                admin.alterConsumerGroupOffsets(group, Members.offsets(command.take("offsets"))).all().get();
                return "";
            case "delete-offsets":
                admin.deleteConsumerGroupOffsets(group, new HashSet<>(Members.partitions(command.take("parts")))).all().get();
                return "";
            case "delete-group":
                admin.deleteConsumerGroups(List.of(group)).all().get();
                return "";
            default:
                throw new Members.Unsupported("no verb " + command.verb);
        }
    }

    private static String listing(ConsumerGroupListing listing) {
        return listing.groupId() + ":" + plain(listing.state().orElse(null)) + ":" + plain(type(listing));
    }

    private static String description(ConsumerGroupDescription group) {
        String parts = group.members().stream()
            .flatMap(member -> member.assignment().topicPartitions().stream())
            .map(Members::name).collect(Collectors.joining(","));
        String instances = group.members().stream()
            .map(MemberDescription::groupInstanceId).flatMap(Optional::stream).collect(Collectors.joining(","));
        String assignor = group.partitionAssignor().isEmpty() ? "-" : group.partitionAssignor();
        return "state=" + plain(group.state()) + " type=" + plain(type(group)) + " assignor=" + assignor
            + " members=" + group.members().size() + " parts=" + parts + " instances=" + instances;
    }

    /** The group type came with 3.7: of a description, or as an Optional of a listing. */
    private static Object type(Object told) {
        try {
            Object type = told.getClass().getMethod("type").invoke(told);
            return type instanceof Optional ? ((Optional<?>) type).orElse(null) : type;
        } catch (ReflectiveOperationException older) {
            return null;
        }
    }

    private static String plain(Object value) {
        return value == null ? "-" : value.toString().toLowerCase();
    }
}
