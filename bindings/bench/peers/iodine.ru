# frozen_string_literal: true

# iodine: rack.upgrade, a channel that all clients subscribe to, and publish. One process, one thread.
class Client
  def on_open(client) = client.subscribe('all')
end

CLIENT = Client.new

run(lambda do |env|
  if env['rack.upgrade?']
    env['rack.upgrade'] = CLIENT
    [200, {}, []]
  else
    count, bytes = env['QUERY_STRING'].scan(/\d+/).map(&:to_i)
    count.times { Iodine.publish('all', "#{'x' * (bytes - 1)}!") }
    [200, { 'Content-Length' => '0' }, []]
  end
end)
