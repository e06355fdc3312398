/* SPDX-License-Identifier: Apache-2.0 */
/* The resources that are only followed: one row each. */
#include "resource/family.h"

#include "resource/resource.h"

/* clang-format off */
#define COLUMNS(...) ((const struct store_column[]){ __VA_ARGS__, { NULL, NULL, NULL } })
#define SAME(name)   { #name, #name, NULL }
#define TRUTH(name)  STORE_COLUMN_AS("BOOLEAN", #name)
#define NUMBER(name) STORE_COLUMN_AS("BIGINT", #name)
#define HAS(name)    "json_type(~, '$." name "') IS NOT NULL"
/* clang-format on */

#define FAMILY(row_collection, row_name, type, row_columns, row_relations, row_identity, row_removal, row_updates, \
               row_lists, row_size, row_reads) \
	{ \
		.collection = (row_collection), .name = (row_name), .article = "a", \
		.odata_type = "#microsoft.graph." type, .functions = NONE, .identity = (row_identity), \
		.removal = (row_removal), .updates = (row_updates), .relations = (row_relations), \
		.lists = (row_lists), .page_size = (row_size), .columns = (row_columns), .reads = (row_reads) \
	}
#define BY_ID NAMES("id")
/* What most rows are: changed members, removals by "@removed". */
#define PART(collection, name, type, columns, relations, reads) \
	FAMILY(collection, name, type, columns, relations, BY_ID, REMOVAL_ANNOTATION, UPDATES_PARTIAL, true, 200, reads)
/* Whole items, removals by the facet `deleted`. */
#define WHOLE(collection, name, type, columns, reads) \
	FAMILY(collection, name, type, columns, NONE, BY_ID, REMOVAL_FACET, UPDATES_COMPLETE, true, 200, reads)

/* Microsoft's names of the permissions that read it, delegated and application; who may write may read. */
#define OF(noun)     noun ".Read", noun ".Read.All", noun ".ReadWrite", noun ".ReadWrite.All"
#define OF_ALL(noun) noun ".Read.All", noun ".ReadWrite.All"
#define DIRECTORY    OF_ALL("Directory")

static const struct store_column users[] = {
	SAME(displayName), SAME(userPrincipalName), SAME(mail),       TRUTH(accountEnabled), SAME(givenName),
	SAME(surname),     SAME(jobTitle),          SAME(department), SAME(userType),        { NULL, NULL, NULL },
};

static const struct store_column groups[] = {
	SAME(displayName), SAME(mail),       TRUTH(mailEnabled),   TRUTH(securityEnabled),
	SAME(groupTypes),  SAME(visibility), { NULL, NULL, NULL },
};

static const struct store_column applications[] = {
	SAME(displayName), SAME(appId), TRUTH(accountEnabled), SAME(createdDateTime), { NULL, NULL, NULL },
};

static const struct store_column devices[] = {
	SAME(displayName),     SAME(deviceId),        TRUTH(accountEnabled),
	SAME(operatingSystem), SAME(createdDateTime), { NULL, NULL, NULL },
};

static const struct store_column folders[] = {
	SAME(displayName), SAME(parentFolderId), NUMBER(totalItemCount), NUMBER(unreadItemCount), { NULL, NULL, NULL },
};

static const struct store_column contacts[] = {
	SAME(displayName), SAME(companyName),    { "emailAddress1", "emailAddresses[0].address", NULL },
	SAME(mobilePhone), SAME(parentFolderId), { NULL, NULL, NULL },
};

static const struct store_column messages[] = {
	SAME(subject),
	{ "fromAddress", "from.emailAddress.address", NULL },
	{ "fromName", "from.emailAddress.name", NULL },
	{ "toAddresses", NULL,
	  "(SELECT group_concat(value ->> '$.emailAddress.address', ', ') FROM json_each(~, "
	  "'$.toRecipients'))" },
	SAME(receivedDateTime),
	SAME(sentDateTime),
	TRUTH(isRead),
	TRUTH(isDraft),
	TRUTH(hasAttachments),
	SAME(parentFolderId),
	SAME(conversationId),
	SAME(internetMessageId),
	SAME(importance),
	{ "flagStatus", "flag.flagStatus", NULL },
	{ NULL, NULL, NULL },
};

static const struct store_column events[] = {
	SAME(subject),
	SAME(type),
	SAME(seriesMasterId),
	{ "start", "start.dateTime", NULL },
	{ "startTimeZone", "start.timeZone", NULL },
	{ "end", "end.dateTime", NULL },
	{ "endTimeZone", "end.timeZone", NULL },
	TRUTH(isAllDay),
	TRUTH(isCancelled),
	SAME(showAs),
	{ "organizerAddress", "organizer.emailAddress.address", NULL },
	{ "locationName", "location.displayName", NULL },
	SAME(iCalUId),
	{ NULL, NULL, NULL },
};

static const struct store_column drive_items[] = {
	SAME(name),
	{ "parentId", "parentReference.id", NULL },
	{ "path", NULL, STORE_TREE_PATH },
	{ "driveId", "parentReference.driveId", NULL },
	{ "isFolder", NULL, HAS("folder") },
	{ "isPackage", NULL, HAS("package") },
	NUMBER(size),
	{ "mimeType", "file.mimeType", NULL },
	{ "quickXorHash", "file.hashes.quickXorHash", NULL },
	SAME(eTag),
	SAME(cTag),
	SAME(lastModifiedDateTime),
	{ "lastModifiedByName", "lastModifiedBy.user.displayName", NULL },
	SAME(webUrl),
	{ NULL, NULL, NULL },
};

static const struct store_column list_items[] = {
	{ "listId", "parentReference.id", NULL },
	{ "siteId", "parentReference.siteId", NULL },
	SAME(webUrl),
	{ "contentTypeName", "contentType.name", NULL },
	SAME(eTag),
	SAME(createdDateTime),
	SAME(lastModifiedDateTime),
	SAME(fields),
	{ NULL, NULL, NULL },
};

static const struct store_column sites[] = {
	SAME(displayName),    SAME(name), SAME(webUrl), { "hostname", "siteCollection.hostname", NULL },
	{ NULL, NULL, NULL },
};

static const struct store_column tasks[] = {
	SAME(title),
	SAME(status),
	SAME(importance),
	{ "dueDateTime", "dueDateTime.dateTime", NULL },
	{ "completedDateTime", "completedDateTime.dateTime", NULL },
	{ NULL, NULL, NULL },
};

static const struct store_column planner[] = {
	SAME(title),
	SAME(planId),
	SAME(bucketId),
	NUMBER(percentComplete),
	SAME(dueDateTime),
	{ "assigneeIds", NULL, "(SELECT group_concat(key, ', ') FROM json_each(~, '$.assignments'))" },
	{ "etag", "\"@odata.etag\"", NULL },
	{ NULL, NULL, NULL },
};

static const struct store_column chat_messages[] = {
	SAME(chatId),
	{ "teamId", "channelIdentity.teamId", NULL },
	{ "channelId", "channelIdentity.channelId", NULL },
	SAME(replyToId),
	{ "fromId", "from.user.id", NULL },
	{ "fromName", "from.user.displayName", NULL },
	SAME(messageType),
	SAME(createdDateTime),
	SAME(lastModifiedDateTime),
	SAME(deletedDateTime),
	{ "contentType", "body.contentType", NULL },
	{ "content", "body.content", NULL },
	{ NULL, NULL, NULL },
};

static const struct store_column transcripts[] = {
	SAME(meetingId),
	SAME(createdDateTime),
	SAME(transcriptContentUrl),
	{ "organizerId", "meetingOrganizer.user.id", NULL },
	{ NULL, NULL, NULL },
};

#define MEMBERS NAMES("members", "owners")
#define OWNERS  NAMES("owners")

static const struct resource families[] = {
	PART("users", "user", "user", users, NAMES("manager"), NAMES("User.ReadBasic.All", OF_ALL("User"), DIRECTORY)),
	PART("groups", "group", "group", groups, MEMBERS, NAMES(OF_ALL("Group"), "GroupMember.Read.All", DIRECTORY)),
	PART("directoryRoles", "directory role", "directoryRole", groups, NAMES("members"),
	     NAMES("RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory", DIRECTORY)),
	PART("administrativeUnits", "administrative unit", "administrativeUnit", groups, NAMES("members"),
	     NAMES(OF_ALL("AdministrativeUnit"), DIRECTORY)),
	PART("applications", "application", "application", applications, OWNERS,
	     NAMES(OF_ALL("Application"), DIRECTORY)),
	PART("servicePrincipals", "service principal", "servicePrincipal", applications, OWNERS,
	     NAMES(OF_ALL("Application"), DIRECTORY)),
	PART("devices", "device", "device", devices, NAMES("registeredOwners"), NAMES(OF_ALL("Device"), DIRECTORY)),
	PART("orgContacts", "organizational contact", "orgContact", users, NAMES("manager"),
	     NAMES("OrgContact.Read.All", DIRECTORY)),
	FAMILY("messages", "message", "message", messages, NONE, BY_ID, REMOVAL_ANNOTATION, UPDATES_PARTIAL, true, 50,
	       NAMES("Mail.Read", "Mail.ReadWrite")),
	PART("mailFolders", "mail folder", "mailFolder", folders, NONE,
	     NAMES("Mail.ReadBasic", "Mail.ReadBasic.All", "Mail.Read", "Mail.ReadWrite")),
	PART("contactFolders", "contact folder", "contactFolder", folders, NONE,
	     NAMES("Contacts.Read", "Contacts.ReadWrite")),
	PART("contacts", "contact", "contact", contacts, NONE, NAMES("Contacts.Read", "Contacts.ReadWrite")),
	PART("events", "event", "event", events, NONE, NAMES("Calendars.Read", "Calendars.ReadWrite")),
	PART("todoLists", "to-do list", "todoTaskList", COLUMNS(SAME(displayName), SAME(wellknownListName)), NONE,
	     NAMES(OF("Tasks"))),
	PART("tasks", "task", "todoTask", tasks, NONE, NAMES(OF("Tasks"))),
	FAMILY("planner", "planner item", "plannerTask", planner, NONE, NAMES("@odata.type", "id"), REMOVAL_ANNOTATION,
	       UPDATES_PARTIAL, false, 200, NAMES(OF("Tasks"))),
	PART("sites", "site", "site", sites, NONE, NAMES(OF_ALL("Sites"))),
	WHOLE("lists", "list", "list", sites, NAMES(OF_ALL("Sites"))),
	WHOLE("listItems", "list item", "listItem", list_items, NAMES(OF_ALL("Sites"))),
	WHOLE("driveItems", "drive item", "driveItem", drive_items, NAMES(OF("Files"), OF_ALL("Sites"))),
	FAMILY("chatMessages", "chat message", "chatMessage", chat_messages, NONE,
	       NAMES("chatId", "channelIdentity.teamId", "channelIdentity.channelId", "replyToId", "id"),
	       REMOVAL_ANNOTATION, UPDATES_COMPLETE, true, 200, NAMES(OF("Chat"), "ChannelMessage.Read.All")),
	FAMILY("transcripts", "transcript", "callTranscript", transcripts, NONE, BY_ID, REMOVAL_NONE, UPDATES_COMPLETE,
	       true, 200, NAMES("OnlineMeetingTranscript.Read.All")),
	{ .collection = NULL },
};

const struct resource *
family_next(const struct resource *family)
{
	family = family ? family + 1 : families;
	return family->collection ? family : NULL;
}
