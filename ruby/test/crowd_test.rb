# frozen_string_literal: true

require_relative 'crowd'

# Held connections cost no object of Ruby.
class CrowdTest < HijackTest
  COUNT = 10_000

  # A connection is one descriptor here and one there.
  def setup
    super
    limit = Process.getrlimit(:NOFILE).last
    assert_operator limit, :>, COUNT + 1000, "the hard limit of descriptors, #{limit}, is too low for this test"
    Process.setrlimit(:NOFILE, limit)
  end

  def objects
    GC.start
    counts = ObjectSpace.count_objects
    counts[:TOTAL] - counts[:FREE]
  end

  def own_objects
    Hijack.constants.map { |name| Hijack.const_get(name) }.grep(Class)
          .to_h { |kind| [kind, ObjectSpace.each_object(kind).count] }
  end

  def test_held_connections_are_no_objects
    server = new_server
    clients = server.broadcaster
    server.hold '/sse', clients
    port = server.listen('127.0.0.1:0')
    server.start { |request| request.respond 200 }
    get(port)
    own = own_objects
    before = objects
    Crowd.open("127.0.0.1:#{port}", COUNT, '--path', '/sse') do |crowd|
      assert crowd.opened['ok'], crowd.opened.inspect
      assert_equal COUNT, clients.count
      10.times { |number| assert_equal COUNT, clients.publish("n#{number + 1}", id: number) }
      answer = crowd.tell('sequence n 1 10 60')
      assert answer['ok'], answer.inspect
      assert_empty(own_objects.select { |kind, count| count > own[kind] })
      assert_operator objects - before, :<, 500, "more objects with #{COUNT} connections than without"
      assert_equal COUNT, server.stats[:held]
    end
    eventually('all gone') { clients.count.zero? }
  end
end
