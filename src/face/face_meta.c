/* SPDX-License-Identifier: Apache-2.0 */
/* face_meta — what is served, said in OData's own terms: $metadata (CSDL 4.0) and the service document. */
#include "face/call.h"
#include "face/shape.h"
#include "text/json_write.h"

static const char head[] =
	"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
	"<edmx:Edmx Version=\"4.0\" xmlns:edmx=\"http://docs.oasis-open.org/odata/ns/edmx\">\n"
	"<edmx:DataServices>\n"
	"<Schema Namespace=\"microsoft.graph\" Alias=\"graph\" xmlns=\"http://docs.oasis-open.org/odata/ns/edm\">\n"
	"<EnumType Name=\"calendarColor\">\n"
	"<Member Name=\"auto\" Value=\"-1\"/><Member Name=\"lightBlue\" Value=\"0\"/><Member Name=\"lightGreen\" Value=\"1\"/>"
	"<Member Name=\"lightOrange\" Value=\"2\"/><Member Name=\"lightGray\" Value=\"3\"/>"
	"<Member Name=\"lightYellow\" Value=\"4\"/><Member Name=\"lightTeal\" Value=\"5\"/>"
	"<Member Name=\"lightPink\" Value=\"6\"/><Member Name=\"lightBrown\" Value=\"7\"/>"
	"<Member Name=\"lightRed\" Value=\"8\"/><Member Name=\"maxColor\" Value=\"9\"/>\n"
	"</EnumType>\n"
	"<EnumType Name=\"onlineMeetingProviderType\">\n"
	"<Member Name=\"unknown\" Value=\"0\"/><Member Name=\"skypeForBusiness\" Value=\"1\"/>"
	"<Member Name=\"skypeForConsumer\" Value=\"2\"/><Member Name=\"teamsForBusiness\" Value=\"3\"/>\n"
	"</EnumType>\n"
	"<ComplexType Name=\"emailAddress\">\n"
	"<Property Name=\"address\" Type=\"Edm.String\"/>\n<Property Name=\"name\" Type=\"Edm.String\"/>\n"
	"</ComplexType>\n"
	"<EntityType Name=\"entity\" Abstract=\"true\">\n"
	"<Key><PropertyRef Name=\"id\"/></Key>\n<Property Name=\"id\" Type=\"Edm.String\" Nullable=\"false\"/>\n"
	"</EntityType>\n"
	"<EntityType Name=\"calendar\" BaseType=\"graph.entity\">\n";

static const char tail[] =
	"</EntityType>\n"
	"<EntityType Name=\"user\" BaseType=\"graph.entity\">\n"
	"<NavigationProperty Name=\"calendar\" Type=\"graph.calendar\" ContainsTarget=\"true\"/>\n"
	"<NavigationProperty Name=\"calendars\" Type=\"Collection(graph.calendar)\" ContainsTarget=\"true\"/>\n"
	"</EntityType>\n"
	"<Function Name=\"delta\" IsBound=\"true\" EntitySetPath=\"bindingParameter\">\n"
	"<Parameter Name=\"bindingParameter\" Type=\"Collection(graph.calendar)\"/>\n"
	"<ReturnType Type=\"Collection(graph.calendar)\"/>\n"
	"</Function>\n"
	"<EntityContainer Name=\"GraphService\">\n"
	"<EntitySet Name=\"users\" EntityType=\"graph.user\"/>\n"
	"<Singleton Name=\"me\" Type=\"graph.user\"/>\n"
	"</EntityContainer>\n"
	"</Schema>\n"
	"</edmx:DataServices>\n"
	"</edmx:Edmx>\n";

static const char *
edm_type(enum calendar_prop prop)
{
	switch (prop) {
	case PROP_NAME:
	case PROP_HEX_COLOR:
	case PROP_CHANGE_KEY:
	case PROP_GROUP:
		return "Edm.String";
	case PROP_GROUP_CLASS:
		return "Edm.Guid";
	case PROP_COLOR:
		return "graph.calendarColor";
	case PROP_PROVIDERS:
		return "Collection(graph.onlineMeetingProviderType)";
	case PROP_PROVIDER:
		return "graph.onlineMeetingProviderType";
	case PROP_OWNER:
		return "graph.emailAddress";
	default:
		return "Edm.Boolean";
	}
}

enum err
face_metadata(struct call *call)
{
	struct buf *body = http_resp_body(call->resp);

	buf_put(body, str_of(head, sizeof(head) - 1));
	for (int prop = PROP_ID + 1; prop < PROP_COUNT; prop++) {
		struct str name = calendar_prop_name((enum calendar_prop)prop);

		if (calendar_prop_beta((enum calendar_prop)prop) && !call->route.beta)
			continue;
		buf_printf(body, "<Property Name=\"%.*s\" Type=\"%s\"/>\n", STR_ARG(name), edm_type((enum calendar_prop)prop));
	}
	buf_put(body, str_of(tail, sizeof(tail) - 1));
	http_resp_field(call->resp, "Content-Type", STR("application/xml"));
	return OK;
}

enum err
face_service(struct call *call)
{
	struct str      version = call_version_url(call);
	struct json_out out;

	json_out_open(&out, http_resp_body(call->resp));
	json_put_object(&out);
	json_put_member(&out, STR("@odata.context"), arena_printf(call->arena, "%.*s/$metadata", STR_ARG(version)));
	json_put_name(&out, STR("value"));
	json_put_array(&out);
	json_put_object(&out);
	json_put_member(&out, STR("name"), STR("users"));
	json_put_member(&out, STR("kind"), STR("EntitySet"));
	json_put_member(&out, STR("url"), STR("users"));
	json_end_object(&out);
	json_put_object(&out);
	json_put_member(&out, STR("name"), STR("me"));
	json_put_member(&out, STR("kind"), STR("Singleton"));
	json_put_member(&out, STR("url"), STR("me"));
	json_end_object(&out);
	json_end_array(&out);
	json_end_object(&out);
	return OK;
}
