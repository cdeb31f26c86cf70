package api

import (
	"net/http"
	"time"

	"github.com/engramd/engramd/node"
)

// A Space is a set of memories that is stored, linked and recalled by itself.
type Space struct {
	Name      string    `json:"name"`
	Aliases   []string  `json:"aliases,omitempty"`
	Dimension int       `json:"dimension" desc:"of its vectors; 0: that of the first one"`
	Memories  int       `json:"memories"`
	CreatedAt time.Time `json:"created_at"`
	Error     string    `json:"error,omitempty" desc:"why it is refused"`
}

// Spaces are all of them, by name.
type Spaces struct {
	Spaces []Space `json:"spaces"`
}

// A NewSpace is a space to make.
type NewSpace struct {
	Name      string `json:"name"`
	Dimension int    `json:"dimension,omitzero" desc:"of its vectors; that of the first one if absent. It never changes"`
	CopyOf    string `json:"copy_of,omitempty" desc:"begins with what this space has; without vectors if the dimension is another"`
}

// An AliasRequest gives a space a second name.
type AliasRequest struct {
	Space string `json:"space" desc:"where the alias leads from now on; empty removes it"`
}

var spaceRoutes = []route{
	{
		method: "GET", path: prefix + "/spaces", needs: Read, does: "List the spaces", params: []param{paramTimeout}, out: Spaces{},
		handle: func(x *exchange) error {
			out := Spaces{Spaces: []Space{}}
			for _, s := range x.api.node.Spaces() {
				out.Spaces = append(out.Spaces, spaceOf(s))
			}
			return x.answer(http.StatusOK, out)
		},
	},
	{
		method: "POST", path: prefix + "/spaces", needs: Admin, does: "Make a space, empty or as a copy", long: true,
		in: NewSpace{}, out: Space{}, status: http.StatusCreated, example: `{"name":"work","dimension":768}`,
		handle: (*exchange).createSpace,
	},
	{
		method: "GET", path: prefix + "/spaces/{name}", needs: Read, does: "One space, by its name or an alias", params: []param{paramTimeout}, out: Space{},
		handle: func(x *exchange) error {
			s, err := x.api.node.SpaceInfo(x.r.PathValue("name"))
			if err != nil {
				return err
			}
			return x.answer(http.StatusOK, spaceOf(s))
		},
	},
	{
		method: "DELETE", path: prefix + "/spaces/{name}", needs: Admin, does: "Delete a space with all its memories; its snapshots stay. The default space is emptied",
		params: []param{paramTimeout}, status: http.StatusNoContent,
		handle: func(x *exchange) error {
			if err := x.api.node.DropSpace(x.ctx(), x.r.PathValue("name")); err != nil {
				return err
			}
			x.api.log.Info("a space was deleted", "space", x.r.PathValue("name"))
			x.w.WriteHeader(http.StatusNoContent)
			return nil
		},
	},
	{
		method: "PUT", path: prefix + "/spaces/{name}/alias", needs: Admin, does: "Make {name} a second name of a space, in place of where it led before",
		params: []param{paramTimeout}, in: AliasRequest{}, status: http.StatusNoContent, example: `{"space":"work"}`,
		handle: (*exchange).alias,
	},
}

func spaceOf(s node.SpaceInfo) Space {
	out := Space{Name: s.Name, Aliases: s.Aliases, Dimension: s.Dimension, Memories: s.Memories, CreatedAt: s.CreatedAt}
	if s.Err != nil {
		out.Error = s.Err.Error()
	}
	return out
}

func (x *exchange) createSpace() error {
	var in NewSpace
	if err := x.readJSON(maxAdminBody, false, &in); err != nil {
		return err
	}
	var s node.SpaceInfo
	var err error
	if in.CopyOf != "" {
		s, err = x.api.node.CopySpace(x.ctx(), in.CopyOf, in.Name, in.Dimension)
	} else {
		s, err = x.api.node.CreateSpace(x.ctx(), in.Name, in.Dimension)
	}
	if err != nil {
		return err
	}
	x.w.Header().Set("Location", prefix+"/spaces/"+s.Name)
	return x.answer(http.StatusCreated, spaceOf(s))
}

func (x *exchange) alias() error {
	var in AliasRequest
	if err := x.readJSON(maxAdminBody, false, &in); err != nil {
		return err
	}
	if err := x.api.node.AliasSpace(x.ctx(), x.r.PathValue("name"), in.Space); err != nil {
		return err
	}
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}
