/* SPDX-License-Identifier: Apache-2.0 */
/* graph_meta — $metadata (CSDL 4.0) and the service document: what is served, in OData's terms. */
#include "graph/calls.h"
#include "resource/extended.h"
#include "resource/resource.h"
#include "text/json_write.h"

#define CORE(term)             ">\n<Annotation Term=\"Org.OData.Core.V1." term "\" Bool=\"true\"/>\n</Property>"
#define NAVIGATION(what, type) "<NavigationProperty Name=\"" what "\" Type=\"" type "\" ContainsTarget=\"true\"/>"
/* Of a calendar: what PATCH sets and POST ignores. */
#define NOT_AT_FIRST \
	"<Annotation Term=\"Org.OData.Capabilities.V1.InsertRestrictions\">\n<Record>" \
	"<PropertyValue Property=\"NonInsertableProperties\"><Collection>\n" \
	"<PropertyPath>isDefaultCalendar</PropertyPath>\n" \
	"<PropertyPath>defaultOnlineMeetingProvider</PropertyPath>\n" \
	"</Collection></PropertyValue></Record>\n</Annotation>"

#define CAPABILITY(term, property, value) \
	"<Annotation Term=\"Org.OData.Capabilities.V1." term "\">\n" \
	"<Record><PropertyValue Property=\"" property "\" Bool=\"" value "\"/></Record>\n</Annotation>"

/* Only $expand reads them: there is no path of their own. */
#define EXTENDED_NAVIGATION \
	"<NavigationProperty Name=\"" EXTENDED_NAME \
	"\" Type=\"Collection(graph.singleValueLegacyExtendedProperty)\" ContainsTarget=\"true\">\n" CAPABILITY( \
		"ReadRestrictions", "Readable", "false") "\n</NavigationProperty>\n"

/* What the descriptors do not say: the frame, complex types, and the way to the resources. */
static const char *const start[] = {
	"<?xml version=\"1.0\" encoding=\"utf-8\"?>",
	"<edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\">", "<edmx:DataServices>",
	"<Schema Namespace=\"microsoft.graph\" Alias=\"graph\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">", NULL
};

static const char *const types[] = {
	"<EnumType Name=\"teamworkUserIdentityType\">",
	"<Member Name=\"aadUser\" Value=\"0\"/>",
	"<Member Name=\"onPremiseAadUser\" Value=\"1\"/>",
	"<Member Name=\"anonymousGuest\" Value=\"2\"/>",
	"<Member Name=\"federatedUser\" Value=\"3\"/>",
	"<Member Name=\"personalMicrosoftAccountUser\" Value=\"4\"/>",
	"<Member Name=\"skypeUser\" Value=\"5\"/>",
	"<Member Name=\"phoneUser\" Value=\"6\"/>",
	"<Member Name=\"unknownFutureValue\" Value=\"7\"/>",
	"<Member Name=\"emailUser\" Value=\"8\"/>",
	"</EnumType>",
	"<ComplexType Name=\"emailAddress\">",
	"<Property Name=\"address\" Type=\"Edm.String\"/>",
	"<Property Name=\"name\" Type=\"Edm.String\"/>",
	"</ComplexType>",
	"<ComplexType Name=\"identity\" OpenType=\"true\">",
	"<Property Name=\"displayName\" Type=\"Edm.String\"/>",
	"<Property Name=\"id\" Type=\"Edm.String\"/>",
	"<Property Name=\"tenantId\" Type=\"Edm.String\"/>",
	"</ComplexType>",
	"<ComplexType Name=\"teamworkUserIdentity\" BaseType=\"graph.identity\" OpenType=\"true\">",
	"<Property Name=\"userIdentityType\" Type=\"graph.teamworkUserIdentityType\"/>",
	"</ComplexType>",
	"<ComplexType Name=\"identitySet\" OpenType=\"true\">",
	"<Property Name=\"application\" Type=\"graph.identity\"/>",
	"<Property Name=\"device\" Type=\"graph.identity\"/>",
	"<Property Name=\"user\" Type=\"graph.identity\"/>",
	"</ComplexType>",
	"<EntityType Name=\"entity\" Abstract=\"true\">",
	"<Key><PropertyRef Name=\"id\"/></Key>",
	"<Property Name=\"id\" Type=\"Edm.String\" Nullable=\"false\">",
	"<Annotation Term=\"Org.OData.Core.V1.Computed\" Bool=\"true\"/>",
	"</Property>",
	"</EntityType>",
	NULL
};

static const char *const rest[] = {
	"<EntityType Name=\"singleValueLegacyExtendedProperty\" BaseType=\"graph.entity\">",
	"<Property Name=\"value\" Type=\"Edm.String\"/>",
	"</EntityType>",
	"<EntityType Name=\"onlineMeeting\" BaseType=\"graph.entity\">",
	"<Annotation Term=\"Org.OData.Core.V1.Description\" String=\"Known by its recordings only.\"/>",
	NAVIGATION("recordings", "Collection(graph.callRecording)"),
	"</EntityType>",
	"<Action Name=\"permanentDelete\" IsBound=\"true\">",
	"<Parameter Name=\"bindingParameter\" Type=\"graph.calendar\"/>",
	"</Action>",
	"<Function Name=\"delta\" IsBound=\"true\" EntitySetPath=\"bindingParameter\">",
	"<Parameter Name=\"bindingParameter\" Type=\"Collection(graph.calendar)\"/>",
	"<ReturnType Type=\"Collection(graph.calendar)\"/>",
	"</Function>",
	"<Function Name=\"delta\" IsBound=\"true\" EntitySetPath=\"bindingParameter\">",
	"<Parameter Name=\"bindingParameter\" Type=\"Collection(graph.callRecording)\"/>",
	"<ReturnType Type=\"Collection(graph.callRecording)\"/>",
	"</Function>",
	"<Function Name=\"getAllRecordings\" IsBound=\"true\" IsComposable=\"true\" "
	"EntitySetPath=\"bindingParameter/recordings\">",
	"<Parameter Name=\"bindingParameter\" Type=\"Collection(graph.onlineMeeting)\"/>",
	"<Parameter Name=\"meetingOrganizerUserId\" Type=\"Edm.String\"/>",
	"<Parameter Name=\"startDateTime\" Type=\"Edm.DateTimeOffset\"/>",
	"<Parameter Name=\"endDateTime\" Type=\"Edm.DateTimeOffset\"/>",
	"<ReturnType Type=\"Collection(graph.callRecording)\"/>",
	"</Function>",
	"<EntityContainer Name=\"GraphService\">",
	"<EntitySet Name=\"users\" EntityType=\"graph.user\"/>",
	"<Singleton Name=\"me\" Type=\"graph.user\"/>",
	"</EntityContainer>",
	"<Annotations Target=\"microsoft.graph.user/calendars\">",
	NOT_AT_FIRST,
	CAPABILITY("ChangeTracking", "Supported", "true"),
	CAPABILITY("SearchRestrictions", "Searchable", "false"),
	CAPABILITY("ExpandRestrictions", "Expandable", "true"),
	"</Annotations>",
	"<Annotations Target=\"microsoft.graph.user/calendarGroups\">",
	CAPABILITY("ChangeTracking", "Supported", "false"),
	CAPABILITY("SearchRestrictions", "Searchable", "false"),
	CAPABILITY("ExpandRestrictions", "Expandable", "false"),
	"</Annotations>",
	"<Annotations Target=\"microsoft.graph.calendarGroup/calendars\">",
	NOT_AT_FIRST,
	CAPABILITY("ChangeTracking", "Supported", "false"),
	"</Annotations>",
	"<Annotations Target=\"microsoft.graph.user/onlineMeetings\">",
	CAPABILITY("ReadRestrictions", "Readable", "false"),
	"</Annotations>",
	"<Annotations Target=\"microsoft.graph.onlineMeeting/recordings\">",
	CAPABILITY("ChangeTracking", "Supported", "true"),
	CAPABILITY("SearchRestrictions", "Searchable", "false"),
	CAPABILITY("ExpandRestrictions", "Expandable", "false"),
	CAPABILITY("UpdateRestrictions", "Updatable", "false"),
	CAPABILITY("DeleteRestrictions", "Deletable", "false"),
	"</Annotations>",
	"</Schema>",
	"</edmx:DataServices>",
	"</edmx:Edmx>",
	NULL
};

static void
put_lines(struct buf *buf, const char *const *lines)
{
	for (; *lines; lines++) {
		buf_put(buf, str_from_c(*lines));
		buf_put_char(buf, '\n');
	}
}

static void
put_enumeration(struct buf *buf, const struct enumeration *enumeration)
{
	buf_printf(buf, "<EnumType Name=\"%s\">\n", enumeration->name);
	for (int i = 0; enumeration->members[i]; i++)
		buf_printf(buf, "<Member Name=\"%s\" Value=\"%d\"/>\n", enumeration->members[i],
		           enumeration->first + i);
	buf_put(buf, STR("</EnumType>\n"));
}

/* The enumerations of the resource's rows, each once. */
static void
put_enumerations(struct buf *buf, const struct resource *resource)
{
	for (size_t row = 0; row < resource->property_count; row++) {
		const struct enumeration *enumeration = resource->properties[row].enumeration;
		size_t                    first = 0;

		while (resource->properties[first].enumeration != enumeration)
			first++;
		if (enumeration && first == row)
			put_enumeration(buf, enumeration);
	}
}

static const char *
type_name(const struct resource *resource)
{
	return resource->odata_type + sizeof("#microsoft.graph.") - 1;
}

/* Ends a property: clients may change it, set it once, or only read it. */
static void
put_who_sets(struct buf *buf, const struct property *property, bool beta)
{
	if (property_is_writable(property, PROPERTY_UPDATE, beta))
		buf_put(buf, STR("/>\n"));
	else if (property_is_writable(property, PROPERTY_CREATE | PROPERTY_ADD, beta))
		buf_put(buf, STR(CORE("Immutable") "\n"));
	else
		buf_put(buf, STR(CORE("Computed") "\n"));
}

/* Without the id, which the abstract type has. */
static void
put_entity_type(struct buf *buf, const struct resource *resource, bool beta, struct arena *arena)
{
	buf_printf(buf, "<EntityType Name=\"%s\" BaseType=\"graph.entity\" OpenType=\"true\">\n", type_name(resource));
	for (size_t row = 1; row < resource->property_count; row++) {
		const struct property *property = &resource->properties[row];
		struct str             type = property_edm_type(property, arena);

		if ((property->flags & PROPERTY_BETA) && !beta)
			continue;
		buf_printf(buf, "<Property Name=\"%s\" Type=\"%.*s\"", property->name, STR_ARG(type));
		put_who_sets(buf, property, beta);
	}
	for (const struct navigation *link = resource->links; link && link->name; link++)
		buf_printf(buf, NAVIGATION("%s", "%s") "\n", link->name, link->type);
	if (resource->content)
		buf_put(buf, STR("<Property Name=\"content\" Type=\"Edm.Stream\"/>\n"));
	if (resource->has_extended)
		buf_put(buf, STR(EXTENDED_NAVIGATION));
	for (const struct resource *const *at = resources; *at; at++)
		if ((*at)->groups == resource)
			buf_printf(buf, NAVIGATION("%s", "Collection(graph.%s)") "\n", (*at)->collection,
			           type_name(*at));
	buf_put(buf, STR("</EntityType>\n"));
}

enum err
graph_metadata(struct call *call)
{
	static const enum option known[] = { OPTION_FORMAT, OPTION_KINDS };
	struct buf              *body = http_resp_body(call->resp);

	TRY(query_allow(call, known, "on $metadata", "Leave them out."));
	put_lines(body, start);
	for (const struct resource *const *resource = resources; *resource; resource++)
		put_enumerations(body, *resource);
	put_lines(body, types);
	for (const struct resource *const *resource = resources; *resource; resource++)
		if ((*resource)->property_count > 0)
			put_entity_type(body, *resource, call->route.beta, call->arena);
	put_lines(body, rest);
	http_resp_field(call->resp, "Content-Type", STR("application/xml"));
	return OK;
}

enum err
graph_service(struct call *call)
{
	struct str      version = call_version_url(call);
	struct json_out out = json_out_object(http_resp_body(call->resp));

	json_put_member(&out, STR("@odata.context"), arena_printf(call->arena, "%.*s/$metadata", STR_ARG(version)));
	json_put_member_raw(&out, STR("value"),
	                    STR("[{\"name\":\"users\",\"kind\":\"EntitySet\",\"url\":\"users\"},"
	                        "{\"name\":\"me\",\"kind\":\"Singleton\",\"url\":\"me\"}]"));
	json_end_object(&out);
	return OK;
}
