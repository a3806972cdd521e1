-- Asks for the manifests whose paths are in a file, one a line, over and over: wrk ... -s manifests.lua URL -- FILE
-- With GET, as wrk cannot do HEAD: its parser waits for the body that Content-Length announces.

local requests = {}
local position = 0

function init(arguments)
  local headers = {
    ["Accept"] = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json",
  }
  for path in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
end

function request()
  position = position % #requests + 1
  return requests[position]
end
