// SPDX-License-Identifier: Apache-2.0

import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.http.impl.client.DefaultHttpClient;
import org.apache.http.message.BasicHeader;
import org.apache.olingo.client.api.ODataClient;
import org.apache.olingo.client.api.communication.ODataClientErrorException;
import org.apache.olingo.client.api.communication.request.cud.UpdateType;
import org.apache.olingo.client.api.domain.ClientEntity;
import org.apache.olingo.client.api.domain.ClientEntitySet;
import org.apache.olingo.client.api.uri.URIBuilder;
import org.apache.olingo.client.core.ODataClientFactory;
import org.apache.olingo.client.core.http.DefaultHttpClientFactory;
import org.apache.olingo.commons.api.edm.FullQualifiedName;
import org.apache.olingo.commons.api.format.ContentType;
import org.apache.olingo.commons.api.http.HttpMethod;

/** The whole job with Apache Olingo, a client for any OData service: it signs in by a token, and its batches are multipart, which
    Graph does not take. It reads a delta as a set of entities. */
class OlingoJob extends Job {
    static final FullQualifiedName CALENDAR = new FullQualifiedName("microsoft.graph.calendar");

    static final ODataClient odata = ODataClientFactory.getClient();
    static ClientEntity made;
    static URI link;

    static void connect(String token) {
        odata.getConfiguration().setDefaultPubFormat(ContentType.JSON);
        odata.getConfiguration().setHttpClientFactory(new DefaultHttpClientFactory() {
            @Override
            public DefaultHttpClient create(HttpMethod method, URI uri) {
                var client = super.create(method, uri);
                client.getParams().setParameter("http.default-headers", List.of(new BasicHeader("Authorization", "Bearer " + token)));
                return client;
            }
        });
    }

    static URIBuilder user() {
        return odata.newURIBuilder(BASE + "/v1.0").appendEntitySetSegment("users").appendKeySegment(USER);
    }

    static URIBuilder calendars() {
        return user().appendNavigationSegment("calendars");
    }

    static URI calendar(String id) {
        return calendars().appendKeySegment(id).build();
    }

    static ClientEntitySet get(URI uri) {
        return odata.getRetrieveRequestFactory().getEntitySetRequest(uri).execute().getBody();
    }

    static ClientEntity getOne(URI uri) {
        return odata.getRetrieveRequestFactory().getEntityRequest(uri).execute().getBody();
    }

    static String text(ClientEntity entity, String name) {
        return entity.getProperty(name).getValue().toString();
    }

    static List<String> all(ClientEntitySet page, String name) {
        return page.getEntities().stream().map(one -> text(one, name)).toList();
    }

    static ClientEntity named(ClientEntity entity, String name) {
        entity.getProperties().clear();
        entity.getProperties().add(odata.getObjectFactory().newPrimitiveProperty("name",
            odata.getObjectFactory().newPrimitiveValueBuilder().buildString(name)));
        return entity;
    }

    static void refused(int status, String code, Work work) throws Exception {
        try {
            work.run();
        } catch (ODataClientErrorException refusal) {
            same(refusal.getStatusLine().getStatusCode() + " " + refusal.getODataError().getCode(), status + " " + code);
            return;
        }
        throw new IllegalStateException("it was not refused");
    }

    static void create(String name) {
        made = odata.getCUDRequestFactory().getEntityCreateRequest(calendars().build(),
            named(odata.getObjectFactory().newEntity(CALENDAR), name)).execute().getBody();
    }

    static void describeSteps() {
        step("read $metadata", () -> {
            for (var version : List.of("v1.0", "beta")) {
                var edm = odata.getRetrieveRequestFactory().getMetadataRequest(BASE + "/" + version).execute().getBody();
                same(edm.getEntityType(CALENDAR).getProperty("name").getType().getName(), "String");
                same(edm.getEntityContainer().getEntitySet("users").getEntityType().getName(), "user");
            }
        });
        step("read the service document", () -> {
            var document = odata.getRetrieveRequestFactory().getServiceDocumentRequest(BASE + "/v1.0").execute().getBody();
            same(document.getEntitySets().keySet().contains("users"), true);
        });
    }

    static void listSteps() {
        step("list by pages with a count", () -> {
            var pages = new ArrayList<Integer>();
            var told = new ArrayList<String>();
            for (var uri = calendars().select("name").orderBy("name asc").top(4).count(true).build(); uri != null;) {
                var page = get(uri);
                if (pages.isEmpty())
                    same(page.getCount(), NAMES.size());
                pages.add(page.getEntities().size());
                told.addAll(all(page, "name"));
                uri = page.getNext();
            }
            same(pages, List.of(4, 2));
            same(sorted(told.stream()), sorted(NAMES.stream()));
        });
        step("count", () -> {
            var request = odata.getRetrieveRequestFactory().getValueRequest(calendars().appendCountSegment().build());
            request.setFormat(ContentType.TEXT_PLAIN);
            same(request.execute().getBody().toString(), Integer.toString(NAMES.size()));
        });
        for (var name : SPECIAL)
            step("filter for " + name, () -> same(all(get(calendars().filter(Job.named(name)).build()), "name"), List.of(name)));
    }

    static void calendarSteps() {
        step("delta by pages", () -> {
            var pages = new ArrayList<Integer>();
            for (var uri = calendars().appendOperationCallSegment("delta").build(); uri != null;) {
                var request = odata.getRetrieveRequestFactory().getEntitySetRequest(uri);
                request.setPrefer("odata.maxpagesize=4");
                var page = request.execute().getBody();
                pages.add(page.getEntities().size());
                uri = page.getNext();
                link = page.getDeltaLink();
            }
            same(pages, List.of(4, 2));
        });
        step("create", () -> {
            create("Made by Olingo");
            same(text(made, "name"), "Made by Olingo");
        });
        step("update", () -> {
            var change = named(odata.getObjectFactory().newEntity(CALENDAR), "Renamed by Olingo");
            odata.getCUDRequestFactory().getEntityUpdateRequest(calendar(text(made, "id")), UpdateType.PATCH, change).execute();
            same(text(getOne(calendar(text(made, "id"))), "name"), "Renamed by Olingo");
        });
        step("delta with a change", () -> {
            var page = get(link);
            same(all(page, "name"), List.of("Renamed by Olingo"));
            link = page.getDeltaLink();
        });
        step("delete", () -> {
            odata.getCUDRequestFactory().getDeleteRequest(calendar(text(made, "id"))).execute();
            refused(404, "ErrorItemNotFound", () -> getOne(calendar(text(made, "id"))));
        });
        step("delta with a removal", () -> {
            var page = get(link);
            same(all(page, "id"), List.of(text(made, "id")));
            same(page.getEntities().get(0).getProperty("name") == null, true);
        });
        step("delta too late", () -> refused(410, "SyncStateNotFound", () -> get(URI.create(LATE))));
    }

    static void recordingSteps() {
        step("recordings by URL", () -> {
            var told = new ArrayList<String>();
            for (var uri = URI.create(ALL_RECORDINGS + "/delta?$top=2"); uri != null;) {
                var page = get(uri);
                told.addAll(all(page, "id"));
                uri = page.getNext();
            }
            same(told, RECORDINGS);
        });
        step("recordings by builder", () -> {
            var organizer = odata.getObjectFactory().newPrimitiveValueBuilder().buildString(USER);
            var uri = user().appendNavigationSegment("onlineMeetings").appendOperationCallSegment("getAllRecordings").build();
            var page = odata.getInvokeRequestFactory().getFunctionInvokeRequest(uri, ClientEntitySet.class,
                Map.of("meetingOrganizerUserId", organizer)).execute().getBody();
            same(all(page, "id"), RECORDINGS);
        });
        step("recordings of a meeting by builder", () -> {
            var recordings = user().appendNavigationSegment("onlineMeetings").appendKeySegment(MEETING).appendNavigationSegment("recordings");
            same(text(getOne(recordings.appendKeySegment("rec-1").build()), "meetingId"), MEETING);
        });
        step("content", () -> {
            var content = user().appendNavigationSegment("onlineMeetings").appendKeySegment(MEETING).appendNavigationSegment("recordings")
                .appendKeySegment("rec-0").appendPropertySegment("content").build();
            var request = odata.getRetrieveRequestFactory().getRawRequest(content);
            same(new String(request.execute().getRawResponse().readAllBytes()), "the bytes of a video");
        });
    }

    static void errorSteps() {
        step("errors", () -> {
            refused(409, "ErrorFolderExists", () -> create("cinema"));
            refused(400, "ErrorInvalidIdMalformed", () -> getOne(calendar("nonsense")));
            refused(400, "ErrorInvalidUrlQuery", () -> get(calendars().filter("nonsense eq 1").build()));
            connect("nonsense");
            refused(401, "InvalidAuthenticationToken", () -> get(calendars().build()));
        });
    }

    public static void main(String[] args) {
        connect(TOKEN);
        describeSteps();
        listSteps();
        calendarSteps();
        recordingSteps();
        errorSteps();
        System.out.println("done");
    }
}
