package kafka

import (
	"context"
	"regexp"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ApiVersions tells which requests are served, in which versions. It is the first request of most clients, which say in
// it, from version 3 on, what they are (KIP-511). A version that is not served is answered in the layout of version 0,
// with the error; so is the header of every answer, for the client does not know yet what the broker speaks.

const keyAPIVersions = 18

// softwareName is what a client may call itself, and its version.
var softwareName = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]{0,253}[a-zA-Z0-9])?$`)

func startAPIVersions(_ context.Context, r *request, req *kmsg.ApiVersionsRequest) answer {
	resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
	name, version := req.ClientSoftwareName, req.ClientSoftwareVersion
	switch {
	case req.Version < 3:
	case !softwareName.MatchString(name) || !softwareName.MatchString(version):
		resp.ErrorCode = kerr.InvalidRequest.Code
	case !r.conn.opened:
		r.conn.peer.ClientName, r.conn.peer.ClientVersion = name, version
	}
	if resp.ErrorCode == 0 {
		resp.ApiKeys = r.conn.versions()
	}
	return func(context.Context) (response, error) { return message{resp}, nil }
}

// versionUnknown answers an ApiVersions of a version that is not served.
func (r *request) versionUnknown() answer {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.ErrorCode, resp.ApiKeys = kerr.UnsupportedVersion.Code, r.conn.versions()
	return func(context.Context) (response, error) { return message{resp}, nil }
}

// versions lists what is advertised.
func (d *dialect) versions() []kmsg.ApiVersionsResponseApiKey {
	list := make([]kmsg.ApiVersionsResponseApiKey, len(d.kinds))
	for i, k := range d.kinds {
		list[i].ApiKey, list[i].MinVersion, list[i].MaxVersion = k.key, k.min, k.max
	}
	return list
}
